"""Cut out of an HTML page the tags that say something about its images.

A compiled scan follows the tokeniser of the HTML standard (section 13.2.5): comments, quoted
attributes, scripts and other raw text are passed over as a browser does. Where the tree that a
browser builds could move an image into or out of a figure, or hide it, the scan gives up, and
the page has to be parsed whole.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from wit_builder.compiled import compiled, helper, read_only

Bytes = npt.NDArray[np.uint8]
Spans = npt.NDArray[np.int64]
"""Starts and ends of stretches of a page: int64 of shape (n, 2)."""

_OTHER, _PIECE, _HINTED, _ALTERNATIVE, _REGION, _RAW, _FOREIGN, _BREAKOUT, _VOID, _TABLE, _CONTROL = range(11)
_BUTTON, _GIVE_UP, _SCRIPT, _TEMPLATE, _IMAGE, _ONCE, _PICTURE, _TEXT = range(11, 19)
_KINDS = {
    _PIECE: "img",
    _ONCE: "base meta",
    _HINTED: "a link",
    _ALTERNATIVE: "source",
    _REGION: "figure",
    _PICTURE: "picture",
    _TEMPLATE: "template",
    _SCRIPT: "script",
    _IMAGE: "image",
    _RAW: "style xmp iframe noembed noframes title textarea",
    _TEXT: "desc",
    _FOREIGN: "svg math",
    _BREAKOUT: "b big blockquote center code dd div dl dt em font h1 h2 h3 h4 h5 h6 i li listing menu nobr ol"
    " p pre ruby s small span strong strike sub sup tt u ul var figcaption",
    _VOID: "br hr embed wbr area param track",
    _TABLE: "table caption colgroup col tbody thead tfoot tr td th",
    _CONTROL: "select option optgroup input keygen body html head form",
    _BUTTON: "button",
    _GIVE_UP: "frameset frame plaintext foreignobject annotation-xml",
}
_BITS = 10
_PLACES = 1 << _BITS
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_MOST_NESTED = 256
"""Tags inside a figure that are open at once; with more the page is parsed whole."""
_GAVE_UP = -1
_IMAGES_AT_ONCE = 2_000
_JSON, _LICENSE, _REL, _COMMONS = (
    np.frombuffer(word, np.uint8) for word in (b"json", b"license", b"rel", b"commons")
)


def _hash(name: str) -> int:
    value = 0
    for byte in name.encode():
        value = ((value + byte) * int(_FACTOR)) % 2**64
    return value


def _table() -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Make a hash table of tag names, with linear probing, and of their kinds."""
    hashes, kinds = np.zeros(_PLACES, np.uint64), np.zeros(_PLACES, np.int64)
    for kind, names in _KINDS.items():
        for value in map(_hash, names.split()):
            place = value >> (64 - _BITS)
            while hashes[place]:
                place = (place + 1) % _PLACES
            hashes[place], kinds[place] = value, kind
    return hashes, kinds


_HASHES, _KIND_OF = _table()
_NOTHING = np.empty((0, 2), np.int64)
_MATH, _LINK = np.uint64(_hash("math")), np.uint64(_hash("link"))


class Pieces:
    """The tags of a page that matter."""

    def __init__(self, page: bytes, found: tuple[Spans, Spans]) -> None:
        self._page = page
        self._facts, self._images = found

    @property
    def has_images(self) -> bool:
        """Whether there is any image."""
        return len(self._images) > 0

    def facts(self) -> bytes:
        """Give the tags that may hold for the page: base, meta, licence links, JSON-LD."""
        return self._joined(self._facts)

    def images(self) -> Iterator[bytes]:
        """Give images, and whole figures and pictures: some thousand at a time."""
        for start in range(0, len(self._images), _IMAGES_AT_ONCE):
            yield self._joined(self._images[start : start + _IMAGES_AT_ONCE])

    def _joined(self, spans: Spans) -> bytes:
        return b"".join([self._page[start:end] for start, end in spans.tolist()])


def pieces_of(page: bytes) -> Pieces | None:
    """Cut out of a page the tags that matter; None if only a full parse can tell.

    Args:
        page: HTML in UTF-8.
    """
    data = np.frombuffer(page, np.uint8)
    if not _may_have_images(data):
        return Pieces(page, (_NOTHING, _NOTHING))
    facts, images = np.empty((2, len(data) // 5 + 1, 2), np.int64)
    counts = _scan(data, _HASHES, _KIND_OF, facts, images)
    return None if counts[0] == _GAVE_UP else Pieces(page, (facts[: counts[0]], images[: counts[1]]))


@compiled(f"boolean({read_only('uint8')})")
def _may_have_images(data: Bytes) -> bool:
    """Tell whether "<im", "og:", "jso" or "&#" stands anywhere, in any case: sixteen bytes at a time."""
    found = np.uint8(0)
    for at in range(len(data) - 2):
        first, second, third = data[at], data[at + 1], data[at + 2]
        image = (first == 60) & (second | 32 == 105) & (third | 32 == 109)
        graph = (first | 32 == 111) & (second | 32 == 103) & (third == 58)
        json = (first | 32 == 106) & (second | 32 == 115) & (third | 32 == 111)
        letter = (first == 38) & (second == 35)
        found |= np.uint8(image | graph | json | letter)
    return bool(found != 0)


@helper
def _is_space(byte: int) -> bool:
    return byte == 32 or byte == 10 or byte == 9 or byte == 12 or byte == 13


@helper
def _is_letter(byte: int) -> bool:
    return 97 <= (byte | 32) <= 122


@helper
def _name_end(data: Bytes, at: int) -> int:
    """Find where the tag name that begins at `at` ends."""
    while at < len(data) and not (_is_space(data[at]) or data[at] == 47 or data[at] == 62):
        at += 1
    return at


@helper
def _hash_of(data: Bytes, start: int, end: int) -> np.uint64:
    value = np.uint64(0)
    for at in range(start, end):
        byte = data[at]
        if 65 <= byte <= 90:
            byte |= 32
        value = (value + np.uint64(byte)) * _FACTOR
    return value


@helper
def _kind(value: np.uint64, hashes: npt.NDArray[np.uint64], kinds: npt.NDArray[np.int64]) -> int:
    place = np.int64(value >> np.uint64(64 - _BITS))
    while hashes[place] != 0:
        if hashes[place] == value:
            return int(kinds[place])
        place = (place + 1) % _PLACES
    return _OTHER


@helper
def _tag_end(data: Bytes, at: int) -> int:
    """Find the end of a tag from behind its name on; -1 if the page ends first.

    Only a quote that begins a value hides a ">".
    """
    size = len(data)
    while at < size:
        byte = data[at]
        if byte == 62:
            return at + 1
        if _is_space(byte) or byte == 47:
            at += 1
            continue
        at += 1  # a name may begin with "="
        while at < size and not (_is_space(data[at]) or data[at] == 47 or data[at] == 62 or data[at] == 61):
            at += 1
        while at < size and _is_space(data[at]):
            at += 1
        if at < size and data[at] == 61:
            at = _value_end(data, at + 1)
    return -1


@helper
def _value_end(data: Bytes, at: int) -> int:
    """Find the end of an attribute's value from behind the "=" on."""
    size = len(data)
    while at < size and _is_space(data[at]):
        at += 1
    if at >= size or data[at] == 62:
        return at
    if data[at] == 34 or data[at] == 39:
        quote = data[at]
        at += 1
        while at < size and data[at] != quote:
            at += 1
        return at + 1
    while at < size and not (_is_space(data[at]) or data[at] == 62):
        at += 1
    return at


@helper
def _closes_itself(data: Bytes, name_end: int, end: int) -> bool:
    """Tell whether a tag may end with "/>": also where the slash belongs to a value."""
    return end - 2 >= name_end and data[end - 2] == 47


@helper
def _is_unquoted_slash(data: Bytes, name_end: int, end: int) -> bool:
    """Tell whether the slash before the ">" may belong to a value without quotes."""
    at = end - 3
    while at >= name_end and not _is_space(data[at]):
        if data[at] == 61:
            return True
        at -= 1
    return False


@helper
def _comment_end(data: Bytes, at: int) -> int:
    """Find the end of a comment from behind its "<!--" on."""
    size = len(data)
    if at < size and data[at] == 62:
        return at + 1
    if at + 1 < size and data[at] == 45 and data[at + 1] == 62:
        return at + 2
    while at + 2 < size:
        if data[at] == 45 and data[at + 1] == 45:
            if data[at + 2] == 62:
                return at + 3
            if data[at + 2] == 33 and at + 3 < size and data[at + 3] == 62:
                return at + 4
        at += 1
    return size


@helper
def _behind(data: Bytes, at: int, byte: int) -> int:
    while at < len(data) and data[at] != byte:
        at += 1
    return min(at + 1, len(data))


@helper
def _raw_end(data: Bytes, at: int, value: np.uint64, is_script: bool) -> int:
    """Find the end tag of raw text; the page's size if there is none, -1 if a script hides one."""
    size, hidden = len(data), False
    while at + 1 < size:
        if data[at] == 60:
            if data[at + 1] == 47:
                name_end = _name_end(data, at + 2)
                if name_end < size and _hash_of(data, at + 2, name_end) == value:
                    return at
            elif is_script and data[at + 1] == 33:
                hidden = True  # perhaps "<!--": a "<script" in it may need an end tag of its own
            elif is_script and hidden and _is_letter(data[at + 1]) and data[at + 1] | 32 == 115:
                name_end = _name_end(data, at + 1)
                if _hash_of(data, at + 1, name_end) == value:
                    return -1
        at += 1
    return size


@helper
def _stands_at(data: Bytes, at: int, end: int, word: Bytes) -> bool:
    """Tell whether a word stands at a place of the page, in any case."""
    length = 0
    while length < len(word) and at + length < end and data[at + length] | 32 == word[length]:
        length += 1
    return length == len(word)


@helper
def _may_matter(data: Bytes, start: int, end: int, is_script: bool) -> bool:
    """Tell whether a script's tag may announce JSON, or another one name a licence."""
    names_license, names_relation = False, False
    for at in range(start, end):
        byte = data[at] | 32
        if data[at] == 38 and at + 1 < end and data[at + 1] == 35:
            return True  # a letter may be written as a number
        if is_script:
            if byte == 106 and _stands_at(data, at, end, _JSON):
                return True
        elif byte == 99 and _stands_at(data, at, end, _COMMONS):
            return True
        elif byte == 108 and _stands_at(data, at, end, _LICENSE):
            names_license = True
        elif byte == 114 and _stands_at(data, at, end, _REL):
            names_relation = True
    return names_license and names_relation


@compiled(f"UniTuple(int64, 2)({read_only('uint8')}, uint64[::1], int64[::1], int64[:, ::1], int64[:, ::1])")
def _scan(
    data: Bytes, hashes: npt.NDArray[np.uint64], kinds: npt.NDArray[np.int64], facts: Spans, images: Spans
) -> tuple[int, int]:
    """Find the pieces of a page; gives how many of each, or twice -1 to give up."""
    size, at, facts_found, images_found = len(data), 0, 0, 0
    svg_like = np.zeros(2, np.int64)  # how many svg and math elements may be open
    opened = np.zeros(_MOST_NESTED, np.uint64)  # tags that are open in a region, itself first
    depth, region_start, region_kind = 0, 0, _OTHER
    saw_table, saw_button, hinted = False, False, 0
    while at + 1 < size:
        if data[at] != 60:
            at += 1
            continue
        following = data[at + 1]
        is_end = following == 47
        if following == 33:
            if at + 3 < size and data[at + 2] == 45 and data[at + 3] == 45:
                at = _comment_end(data, at + 4)
            elif at + 2 < size and data[at + 2] == 91:
                return _GAVE_UP, _GAVE_UP  # perhaps CDATA
            else:
                at = _behind(data, at, 62)
            continue
        if following == 63 or (is_end and at + 2 < size and not _is_letter(data[at + 2])):
            at = _behind(data, at + 2, 62)  # a comment, in effect; "</>" is nothing
            continue
        if (not is_end and not _is_letter(following)) or (is_end and at + 2 >= size):
            at += 1
            continue
        name_start = at + 2 if is_end else at + 1
        name_end = _name_end(data, name_start)
        end = _tag_end(data, name_end)
        if end < 0:
            break  # a tag without an end is none
        value = _hash_of(data, name_start, name_end)
        kind = _kind(value, hashes, kinds)
        start, at = at, end
        foreign = svg_like[0] + svg_like[1] > 0
        closes_itself = not is_end and _closes_itself(data, name_end, end)
        if kind == _GIVE_UP or (kind == _IMAGE and not foreign):
            return _GAVE_UP, _GAVE_UP
        if foreign:
            raw = kind in (_RAW, _SCRIPT, _TEXT)
            if raw and not is_end:
                if closes_itself:
                    return _GAVE_UP, _GAVE_UP
                at = _behind(data, at, 60) - 1
                if at + 1 >= size or data[at + 1] != 47:
                    return _GAVE_UP, _GAVE_UP
                raw_name_end = _name_end(data, at + 2)
                if _hash_of(data, at + 2, raw_name_end) != value:
                    return _GAVE_UP, _GAVE_UP
                at = _behind(data, at, 62)
                continue
            if kind not in (_OTHER, _FOREIGN, _IMAGE):
                return _GAVE_UP, _GAVE_UP
        if kind == _FOREIGN:
            which = 1 if value == _MATH else 0
            if is_end:
                svg_like[which] = max(0, svg_like[which] - 1)
            elif not closes_itself or _is_unquoted_slash(data, name_end, end):
                svg_like[which] += 1
                closes_itself = False
        if not is_end and kind == _TABLE:
            saw_table = True
        # Inside a figure, a picture or a template every tag must be closed where it was opened.
        if depth:
            if region_kind == _PICTURE and kind not in (_ALTERNATIVE, _PIECE, _PICTURE):
                return _GAVE_UP, _GAVE_UP
            if kind in (_TABLE, _CONTROL) or (kind == _BUTTON and saw_button):
                return _GAVE_UP, _GAVE_UP
            if kind == _TEMPLATE and not is_end:
                return _GAVE_UP, _GAVE_UP
            if is_end:
                if opened[depth - 1] != value:
                    return _GAVE_UP, _GAVE_UP
                depth -= 1
                if not depth and region_kind != _TEMPLATE:
                    images[images_found, 0], images[images_found, 1] = region_start, end
                    images_found += 1
                continue
        elif not is_end and (kind in (_REGION, _PICTURE, _TEMPLATE)):
            region_start, region_kind = start, kind
            opened[0], depth = value, 1
            continue
        if kind == _BUTTON and not depth:
            saw_button = True
        if is_end:
            continue
        raw_start = at
        if kind in (_RAW, _SCRIPT):
            at = _raw_end(data, at, value, kind == _SCRIPT)
            if at < 0:
                return _GAVE_UP, _GAVE_UP
            if at < size:
                at = _tag_end(data, _name_end(data, at + 2))
                if at < 0:
                    at = size
        elif depth:
            empty = kind in (_PIECE, _VOID, _ALTERNATIVE, _ONCE)
            empty = empty or (foreign and closes_itself)
            empty = empty or (kind == _HINTED and value == _LINK)
            if not empty:
                if depth == _MOST_NESTED:
                    return _GAVE_UP, _GAVE_UP
                opened[depth] = value
                depth += 1
        if kind == _SCRIPT and not _may_matter(data, start, raw_start, True):
            continue
        if kind == _HINTED and not _may_matter(data, start, end, False):
            continue
        if kind == _PIECE and not depth:
            images[images_found, 0], images[images_found, 1] = start, end
            images_found += 1
        elif kind in (_SCRIPT, _ONCE, _HINTED) and not (depth and region_kind == _TEMPLATE):
            if kind != _SCRIPT and saw_table:
                hinted += 1
                if hinted > 1:
                    return _GAVE_UP, _GAVE_UP  # a table may put what comes later first
            facts[facts_found, 0], facts[facts_found, 1] = start, at
            facts_found += 1
    if depth:
        return _GAVE_UP, _GAVE_UP
    return facts_found, images_found
