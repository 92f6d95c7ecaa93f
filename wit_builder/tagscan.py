"""Cut out of an HTML page the tags that say something about its images.

A compiled scan follows the tokeniser of the HTML standard (section 13.2.5): comments, quoted
attributes, scripts and other raw text are passed over as a browser does. Where the tree that a
browser builds could move an image into or out of a figure, or hide it, the scan gives up, and
the page has to be parsed whole.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from wit_builder.compiled import compiled, helper, load_8_bytes, read_only

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
_GAVE_UP, _FULL = -1, -2
_ROOM = 1_000
"""Pieces that nearly every page has room for."""
_IMAGES_AT_ONCE = 2_000
_BLOCK, _HINTS = 4_096, 256
"""Bytes that are looked at together."""
_ONES, _TOPS, _SMALL = (np.uint64(byte * 0x0101010101010101) for byte in (0x01, 0x80, 0x20))
_AND, _NUMBER, _COLON, _LESS = (np.uint64(byte * 0x0101010101010101) for byte in b"&#:<")
_C, _E, _G, _I, _J, _L, _M, _N, _O, _S = (np.uint64(byte * 0x0101010101010101) for byte in b"cegijlmnos")


def _marked(letters: bytes) -> npt.NDArray[np.bool_]:
    """Make a table of all bytes that is true of these."""
    table = np.zeros(256, np.bool_)
    table[list(letters)] = True
    return table


_SPACE = _marked(b" \n\t\f\r")
_NAME_END, _ATTRIBUTE_END, _VALUE_END = (_marked(b" \n\t\f\r" + more) for more in (b"/>", b"/>=", b">"))
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
_MATH, _LINK = np.uint64(_hash("math")), np.uint64(_hash("link"))


class Pieces:
    """The tags of a page that matter."""

    def __init__(self, page: bytes, found: tuple[Spans, Spans]) -> None:
        self._page = page
        self._facts, self._images = found

    def facts(self) -> bytes:
        """Give the tags that may hold for the page: base, meta, licence links, JSON-LD."""
        return b"".join(self._cut(self._facts))

    def images(self) -> Iterator[list[bytes]]:
        """Give images, and whole figures and pictures: some thousand at a time."""
        for start in range(0, len(self._images), _IMAGES_AT_ONCE):
            yield self._cut(self._images[start : start + _IMAGES_AT_ONCE])

    def _cut(self, spans: Spans) -> list[bytes]:
        return [self._page[start:end] for start, end in spans.tolist()]


def pieces_of(page: bytes) -> Pieces | None:
    """Cut out of a page the tags that matter; None if only a full parse can tell.

    Args:
        page: HTML in UTF-8.
    """
    data = np.frombuffer(page, np.uint8)
    for room in (_ROOM, len(data) // len("<img>") + 1):
        facts, images = np.empty((2, room, 2), np.int64)
        counts = _scan(data, _HASHES, _KIND_OF, facts, images)
        if counts[0] != _FULL:
            break
    return None if counts[0] == _GAVE_UP else Pieces(page, (facts[: counts[0]], images[: counts[1]]))


def may_have_pairs(page: bytes, *, only_images: bool) -> bool:
    """Tell by a look at its bytes whether a page may have pairs; most pages have none.

    Args:
        page: HTML in any encoding that writes ASCII as it is and drops no bytes.
        only_images: leave out what JSON-LD and Open Graph give.
    """
    return _has_sign(np.frombuffer(page, np.uint8), only_images)


def may_name_license(text: bytes) -> bool:
    """Tell by a look at its bytes whether a text may say "license" or "commons", in any case."""
    return _has_hint(np.frombuffer(text, np.uint8))


@helper
def _small(data: Bytes, at: int) -> np.uint64:
    """Read eight bytes, letters as small ones; some others change, too."""
    return np.uint64(load_8_bytes(data, at) | _SMALL)


@helper
def _zeros(word: np.uint64) -> np.uint64:
    """Mark the bytes of a word that are zero; above the lowest also some that are not."""
    return (word - _ONES) & ~word & _TOPS


@compiled(f"boolean({read_only('uint8')}, boolean)")
def _has_sign(data: Bytes, only_images: bool) -> bool:
    """Tell whether "<im", or else "og:", "jso", "&#" or "&col" (a colon) stands anywhere, in any case."""
    last = len(data) - 11
    if last < 0:
        return True
    for start in range(0, last + 8, _BLOCK):
        found = np.uint64(0)
        for at in range(start, min(start + _BLOCK, last + 8), 8):
            at = min(at, last)
            first, second, third = _small(data, at), _small(data, at + 1), _small(data, at + 2)
            found |= _zeros((first ^ _LESS) | (second ^ _I) | (third ^ _M))
            if not only_images:
                found |= _zeros((first ^ _O) | (second ^ _G) | (third ^ _COLON))
                found |= _zeros((first ^ _J) | (second ^ _S) | (third ^ _O))
                found |= _zeros((first ^ _AND) | (second ^ _NUMBER))
                found |= _zeros((first ^ _AND) | (second ^ _C) | (third ^ _O) | (_small(data, at + 3) ^ _L))
        if found:
            return True
    return False


@helper
def _is_letter(byte: int) -> bool:
    return 97 <= (byte | 32) <= 122


@helper
def _find(data: Bytes, at: int, byte: int) -> int:
    """Find a byte from `at` on, eight at a time; gives the page's size if there is none."""
    size, wanted = len(data), np.uint64(byte) * _ONES
    while at + 8 <= size:
        word = load_8_bytes(data, at) ^ wanted
        zeros = _zeros(word)
        if zeros:
            below = (zeros - np.uint64(1)) & _ONES
            return at + int((below * _ONES) >> np.uint64(56)) - 1
        at += 8
    while at < size and data[at] != byte:
        at += 1
    return at


@helper
def _name(data: Bytes, at: int) -> tuple[int, np.uint64]:
    """Find where the tag name that begins at `at` ends, and its hash in small letters."""
    size, value = len(data), np.uint64(0)
    while at < size:
        byte = data[at]
        if _NAME_END[byte]:
            break
        if 65 <= byte <= 90:
            byte |= 32
        value = (value + np.uint64(byte)) * _FACTOR
        at += 1
    return at, value


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
        at += 1  # a name may begin with "="
        if _NAME_END[byte]:
            continue
        while at < size and not _ATTRIBUTE_END[data[at]]:
            at += 1
        while at < size and _SPACE[data[at]]:
            at += 1
        if at < size and data[at] == 61:
            at = _value_end(data, at + 1)
    return -1


@helper
def _value_end(data: Bytes, at: int) -> int:
    """Find the end of an attribute's value from behind the "=" on."""
    size = len(data)
    while at < size and _SPACE[data[at]]:
        at += 1
    if at >= size or data[at] == 62:
        return at
    if data[at] == 34 or data[at] == 39:
        return _find(data, at + 1, data[at]) + 1
    while at < size and not _VALUE_END[data[at]]:
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
    while at >= name_end and not _SPACE[data[at]]:
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
    at = _find(data, at, 45)
    while at + 2 < size:
        if data[at + 1] == 45:
            if data[at + 2] == 62:
                return at + 3
            if data[at + 2] == 33 and at + 3 < size and data[at + 3] == 62:
                return at + 4
        at = _find(data, at + 1, 45)
    return size


@helper
def _behind(data: Bytes, at: int, byte: int) -> int:
    return min(_find(data, at, byte) + 1, len(data))


@helper
def _raw_end(data: Bytes, at: int, value: np.uint64, is_script: bool) -> int:
    """Find the end tag of raw text; the page's size if there is none, -1 if a script hides one."""
    size, hidden = len(data), False
    at = _find(data, at, 60)
    while at + 1 < size:
        if data[at + 1] == 47:
            name_end, name = _name(data, at + 2)
            if name_end < size and name == value:
                return at
        elif is_script and data[at + 1] == 33:
            hidden = True  # perhaps "<!--": a "<script" in it may need an end tag of its own
        elif is_script and hidden and data[at + 1] | 32 == 115 and _name(data, at + 1)[1] == value:
            return -1
        at = _find(data, at + 1, 60)
    return size


@helper
def _stands_at(data: Bytes, at: int, end: int, word: Bytes) -> bool:
    """Tell whether a word stands at a place of the page, in any case."""
    length = 0
    while length < len(word) and at + length < end and data[at + length] | 32 == word[length]:
        length += 1
    return length == len(word)


@helper
def _next_hint(data: Bytes, at: int) -> int:
    """Find some bytes among which "lice", "mmon" or "&#" begins, from `at` on, or the page's last ones."""
    while at + _HINTS + 3 <= len(data):
        found = np.uint64(0)
        for place in range(at, at + _HINTS, 8):
            first, second = _small(data, place), _small(data, place + 1)
            third, fourth = _small(data, place + 2), _small(data, place + 3)
            found |= _zeros((first ^ _L) | (second ^ _I) | (third ^ _C) | (fourth ^ _E))
            found |= _zeros((first ^ _M) | (second ^ _M) | (third ^ _O) | (fourth ^ _N))
            found |= _zeros((first ^ _AND) | (second ^ _NUMBER))
        if found:
            break
        at += _HINTS
    return at


@compiled(f"boolean({read_only('uint8')})")
def _has_hint(data: Bytes) -> bool:
    last = len(data) - _HINTS - 3
    return last < 0 or _next_hint(data, 0) <= last or _next_hint(data, last) == last


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
    hint = -_HINTS  # where the next word stands that a licence's link needs
    while at + 1 < size:
        at = _find(data, at, 60)
        if at + 1 >= size:
            break
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
        if is_end and not depth and not svg_like[0] + svg_like[1]:
            at = _tag_end(data, _name(data, at + 2)[0])
            if at < 0:
                break
            continue
        name_start = at + 2 if is_end else at + 1
        name_end, value = _name(data, name_start)
        end = _tag_end(data, name_end)
        if end < 0:
            break  # a tag without an end is none
        if max(facts_found, images_found) == len(facts):
            return _FULL, _FULL
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
                if _name(data, at + 2)[1] != value:
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
                at = _tag_end(data, _name(data, at + 2)[0])
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
        if kind == _HINTED:
            if start >= hint + _HINTS:
                hint = _next_hint(data, start)
            if end <= hint or not _may_matter(data, start, end, False):
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
