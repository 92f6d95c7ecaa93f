"""Filters of texts: too short or long, no language, or damaged. A text is dropped, never repaired.

Texts come without spaces at their ends and with single ones inside.
"""

import unicodedata

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from ftfy.badness import is_bad

from wit_builder.characters import CharacterCounts, Kind, kind_of
from wit_builder.filtering import Filter, Mask, Pattern, text_filter, to_mask
from wit_builder.records import DropReason

_ENDINGS = r"\.(?:jpe?g|jfif|png|gif|webp|avif|heic|bmp|tiff?|svg|ico|psd)"
_NUMBER = r"[ #_.:-]*\(?[0-9]{0,8}\)?(?: ?(?:of|/) ?[0-9]+)?"

_FILE_NAME = Pattern(
    rf"[^ ]+{_ENDINGS}"
    r"|[!-^`-~]*_[!-~]*"  # hero_banner_2: ASCII, an underscore, no space
    r"|[0-9a-f]{24,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"  # digest, UUID
)
_URL = Pattern(
    r"(?:https?://|ftp://|www\.)[^ ]+"
    r"|(?:[a-z0-9-]+\.)+(?:com|net|org|info|biz|edu|gov|io|co\.uk|de|fr|ru|jp|cn|br|eu)(?:[:/][^ ]*)?"
)
_NOUNS = (
    "image|images|img|picture|pictures|pic|photo|photos|photograph|photography|logo|icon|banner|header|footer"
    "|background|bg|thumbnail|thumb|placeholder|avatar|graphic|figure|fig|slide|slider|slideshow|carousel"
    "|screenshot|screen shot|gallery|gallery image|cover|cover image|cover photo|hero|hero image|main image"
    "|featured image|feature image|article image|post image|product image|product photo|profile picture"
    "|profile photo|profile image|user avatar|site logo|company logo|header image|banner image|logo image"
    "|background image|thumbnail image|preview|spacer|pixel|blank|loading|default|default image|untitled"
    "|unnamed|unknown|attachment|media|alt|alt text|image alt text|caption|description|title|text|null"
    "|undefined|none|n/a|nan|empty|ad|ads|advertisement|sponsored|image not found|image not available"
    "|image coming soon|no image available|image may contain"
    "|bild|foto|fotos|imagen|imagem|imagens|immagine|afbeelding|obraz|zdj\u0119cie|kuva|resim|g\u00f6rsel"
    "|[\u0418\u0438]\u0437\u043e\u0431\u0440\u0430\u0436\u0435\u043d\u0438\u0435|[\u0424\u0444]\u043e\u0442\u043e"
    "|\u753b\u50cf|\u5199\u771f|\u56fe\u7247|\u5716\u7247"
)
_CAMERA = "img|dsc[a-z]?|dcim|pict?|pxl|mvimg|gopr|dji|p|screenshot|screen shot|whatsapp image|scan"
_PLACEHOLDER = Pattern(
    rf"[\[(]?(?:(?:no|the|an?|my|your|this|click to enlarge) )?(?:{_NOUNS}){_NUMBER}[.)\]]?(?:{_ENDINGS})?"
    rf"|(?:{_CAMERA})[ _-]?[0-9]{{3,}}[0-9 _.:@()-]*(?:at [0-9.:]+)?(?: ?[ap]m)?(?:{_ENDINGS})?"
)


def length_filters(min_chars: int, max_chars: int) -> list[Filter]:
    """Drop texts shorter or longer than so many characters."""
    return [
        text_filter(
            DropReason.TEXT_TOO_SHORT,
            lambda text: len(text) < min_chars,
            lambda texts: to_mask(pc.less(pc.utf8_length(texts), min_chars)),
        ),
        text_filter(
            DropReason.TEXT_TOO_LONG,
            lambda text: len(text) > max_chars,
            lambda texts: to_mask(pc.greater(pc.utf8_length(texts), max_chars)),
        ),
    ]


def min_words_filter(least: int) -> Filter:
    """Drop texts of fewer words, which are what lies between spaces."""
    return text_filter(
        DropReason.TEXT_TOO_SHORT,
        lambda text: text.count(" ") + 1 < least,
        lambda texts: to_mask(pc.less(pc.count_substring(texts, " "), least - 1)),
    )


def max_words_filter(most: int) -> Filter:
    """Drop texts of more words."""
    return text_filter(
        DropReason.TEXT_TOO_LONG,
        lambda text: text.count(" ") + 1 > most,
        lambda texts: to_mask(pc.greater(pc.count_substring(texts, " "), most - 1)),
    )


def file_name_filter() -> Filter:
    """Drop texts that are only a file's name, or an identifier such as hero_banner_2 or a UUID."""
    return text_filter(DropReason.TEXT_IS_FILE_NAME, _FILE_NAME.matches, _FILE_NAME.matches_of)


def url_text_filter() -> Filter:
    """Drop texts that are only an address."""
    return text_filter(DropReason.TEXT_IS_URL, _URL.matches, _URL.matches_of)


def placeholder_filter() -> Filter:
    """Drop texts that stand for a missing one: "image 3 of 5", "No image", "DSC 0123"."""
    return text_filter(DropReason.TEXT_IS_PLACEHOLDER, _PLACEHOLDER.matches, _PLACEHOLDER.matches_of)


def control_filter() -> Filter:
    """Drop texts with control characters: C0, DEL, C1."""
    return text_filter(
        DropReason.TEXT_HAS_CONTROLS,
        lambda text: any(unicodedata.category(character) == "Cc" for character in text),
        lambda texts: to_mask(pc.match_substring_regex(texts, r"[\x00-\x1f\x7f-\x9f]")),
    )


def letter_filter(min_share: float) -> Filter:
    """Drop texts without letters, and those where they are a smaller share of what is no space."""

    def drops(text: str) -> bool:
        kinds = [kind_of(character) for character in text]
        letters, solid = kinds.count(Kind.LETTER), len(kinds) - kinds.count(Kind.SPACE)
        return not letters or letters < min_share * solid

    def drops_of(texts: pa.Array) -> Mask:
        counts = CharacterCounts(texts)
        letters = counts.of(Kind.LETTER)
        few: Mask = (letters < min_share * (counts.lengths - counts.of(Kind.SPACE))) | (letters == 0)
        return few

    return text_filter(DropReason.TEXT_NOT_WORDS, drops, drops_of)


def mojibake_filter() -> Filter:
    """Drop texts that were decoded by a wrong charset: ftfy's heuristic, or a replacement character."""
    return text_filter(DropReason.TEXT_IS_MOJIBAKE, _is_mojibake, _are_mojibake)


def _is_mojibake(text: str) -> bool:
    return "\ufffd" in text or is_bad(text)


def _are_mojibake(texts: pa.Array) -> Mask:
    mask = np.zeros(len(texts), dtype=bool)
    suspect = np.flatnonzero(~to_mask(pc.string_is_ascii(texts)))  # no pattern of ftfy's is all ASCII
    mask[suspect] = [_is_mojibake(text) for text in texts.take(pa.array(suspect)).to_pylist()]
    return mask
