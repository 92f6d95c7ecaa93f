"""Two hash tables that find queries in texts: words, and runs of words.

A query is a run of words. The table of words gives each word its slot; the table of
runs says of a run that begins some query, and of one more word, which run they make.
A word is the run number of its slot; the run in row r of the table of runs has the
number r + the slots for words. So the key (run << 32 | word + 1) stands for one run of
words only, and runs are never mistaken. Nor are words of up to seven bytes: the key
is the word. The key of a longer one is a hash of 63 bits, beside 32 bits of another:
that a word outside the table is taken for one of 150,000 long ones inside has a
chance of 4e-24; that two inside look alike is refused when the table is built.

Both are open-addressed with linear probing. The value of a run is
(query id + 1) << 2 | goes on << 1 | 1: the query that it is, whether a longer
query begins with it, and that its place is taken.
"""

import numpy as np
import numpy.typing as npt

from wit_builder.compiled import compiled, helper, load_8_bytes, prefetch, read_only

UInt8s = npt.NDArray[np.uint8]
UInt32s = npt.NDArray[np.uint32]
UInt64s = npt.NDArray[np.uint64]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
U64 = np.uint64

_FEW = 48  # ids that are sorted by insertion
_TAKEN, _GOES_ON, _ID = np.uint32(1), np.uint32(2), np.uint32(2)  # bits of a value; below the id
_ZERO, _ONE, _TWO, _THREE, _EIGHT, _HALF = (U64(number) for number in (0, 1, 2, 3, 8, 32))
_LENGTH = U64(56)  # bits below the length of a short word
_LONG = U64(1 << 63)
_FACTOR = U64(0x9FB21C651E98DF25)  # odd, so no step loses a bit
_BYTES, _EDGES = read_only("uint8"), read_only("int64")
_KEYS, _VALUES = read_only("uint64"), read_only("uint32")

# Rows and slots are unsigned throughout: that spares numba's test for negative ones,
# half the time of a look-up.


@compiled(f"void({_BYTES}, {_EDGES}, uint64[::1], uint32[::1])")
def add_words(data: UInt8s, edges: Int64s, words: UInt64s, slots: UInt32s) -> None:
    """Put words into an empty table.

    Args:
        data: the words, and eight bytes to spare.
        edges: first byte of each of m words and the byte behind it, in turn: shape (2 m,).
        words: the table, zeros: key and value of each slot, shape (2 slots,). The
            upper half of a value is the second hash of a long word.
        slots: takes the slot of each word, shape (m,). Two words have one slot if
            their hashes are the same.
    """
    places = U64(len(words) >> 1)
    for word in range(len(slots)):
        start, end = U64(edges[2 * word]), U64(edges[2 * word + 1])
        key, check = _key(data, start, end)
        slot = _probe_word(key, check, _place(key, places), words)
        words[_TWO * slot] = key
        words[_TWO * slot + _ONE] = check | _ONE
        slots[word] = slot


@compiled(f"void({_VALUES}, {_EDGES}, uint64[::1], uint64[::1], uint32[::1])")
def add_queries(slots: UInt32s, firsts: Int64s, words: UInt64s, keys: UInt64s, values: UInt32s) -> None:
    """Put queries into the table of words and an empty table of runs.

    Args:
        slots: of the words of all queries, shape (m,).
        firsts: the first word of each of n queries, and m: shape (n + 1,).
        words: the table of words.
        keys: of the table of runs, zeros, shape (rows,): more rows than runs.
        values: of the table of runs, zeros, shape (rows,).
    """
    places = U64(len(words) >> 1)
    for query in range(len(firsts) - 1):
        start, end = firsts[query], firsts[query + 1]
        own = np.uint32(query + 1) << _ID
        run = U64(slots[start])
        words[_TWO * run + _ONE] |= U64(own if start + 1 == end else _GOES_ON)
        for word in range(start + 1, end):
            row = _find_run(run, slots[word], keys)
            keys[row] = _pair(run, slots[word])
            values[row] |= _TAKEN | (own if word + 1 == end else _GOES_ON)
            run = row + places


@compiled(
    f"Tuple((int64[::1], int32[::1]))({_BYTES}, {_EDGES}, {_EDGES}, {_KEYS}, {_KEYS}, {_VALUES}, int64)"
)
def find_queries(
    data: UInt8s,
    edges: Int64s,
    firsts: Int64s,
    words: UInt64s,
    keys: UInt64s,
    values: UInt32s,
    longest: int,
) -> tuple[Int64s, Int32s]:
    """Find the queries in texts.

    One step at a time for all words: look-ups that do not depend on each other wait
    for memory together, which is three times as fast as one word after the other.

    Args:
        data: the words of the texts, and eight bytes to spare.
        edges: first byte of each of m words and the byte behind it, in turn: shape (2 m,).
        firsts: the first word of each of n texts, and m: shape (n + 1,).
        words: the table of words, as `add_queries` left it.
        keys: of the table of runs.
        values: of the table of runs.
        longest: most words of a query.

    Returns:
        Offsets, shape (n + 1,), and ids: those of text i are ids[offsets[i]:offsets[i + 1]],
        sorted and unique.
    """
    slots, own = _look_words_up(data, edges, words)
    begins, rows = _look_pairs_up(slots, own, firsts, keys)
    places = U64(len(words) >> 1)
    offsets = np.zeros(len(firsts), np.int64)
    ids = np.empty(2 * len(slots) + _FEW, np.int32)
    count, pair = _ZERO, _ZERO
    for text in range(len(firsts) - 1):
        first, start, end = count, U64(firsts[text]), U64(firsts[text + 1])
        while count + (end - start) * U64(longest) >= len(ids):
            ids = np.concatenate((ids, np.empty_like(ids)))
        for word in range(start, end):
            ids[count] = np.int32(own[word] >> _ID) - 1  # overwritten if it is none
            count += U64(own[word] >> _ID != 0)
        while pair < len(begins) and begins[pair] < end:
            row, behind = U64(rows[pair]), begins[pair] + _TWO
            pair += _ONE
            while True:
                ids[count] = np.int32(values[row] >> _ID) - 1
                count += U64(values[row] >> _ID != 0)
                if not values[row] & _GOES_ON or behind >= end or not own[behind]:
                    break
                row = _find_run(row + places, slots[behind], keys)
                if not keys[row]:
                    break
                behind += _ONE
        count = _sort_unique(ids, first, count)
        offsets[text + 1] = count
    return offsets, ids[:count].copy()


@helper
def _look_words_up(data: UInt8s, edges: Int64s, words: UInt64s) -> tuple[UInt32s, UInt32s]:
    """Give the slot of each word, and the lower half of its value, 0 if it is not there."""
    count, places = len(edges) >> 1, U64(len(words) >> 1)
    found, checks = np.empty(count, np.uint64), np.empty(count, np.uint64)
    slots, own = np.empty(count, np.uint32), np.empty(count, np.uint32)
    for word in range(count):
        found[word], checks[word] = _key(data, U64(edges[2 * word]), U64(edges[2 * word + 1]))
        slots[word] = _place(found[word], places)
        prefetch(words, _TWO * U64(slots[word]))
    for word in range(count):
        slot = _probe_word(found[word], checks[word], U64(slots[word]), words)
        slots[word] = slot
        own[word] = words[_TWO * slot + _ONE]
    return slots, own


@helper
def _look_pairs_up(slots: UInt32s, own: UInt32s, firsts: Int64s, keys: UInt64s) -> tuple[UInt64s, UInt32s]:
    """Give the words that begin a query together with the next one, and the rows of those runs."""
    begins, rows = np.empty(len(slots) + 1, np.uint64), np.empty(len(slots) + 1, np.uint32)
    count = _ZERO
    for text in range(len(firsts) - 1):
        for word in range(firsts[text], firsts[text + 1] - 1):
            begins[count] = word
            rows[count] = _place(_pair(slots[word], slots[word + 1]), U64(len(keys)))
            if own[word] & _GOES_ON and own[word + 1]:
                prefetch(keys, U64(rows[count]))
                count += _ONE
    known = _ZERO
    for pair in range(_ZERO, count):
        word = begins[pair]
        row = _probe_run(_pair(slots[word], slots[word + _ONE]), U64(rows[pair]), keys)
        begins[known], rows[known] = word, row
        known += U64(keys[row] != 0)
    return begins[:known], rows[:known]


@helper
def _key(data: UInt8s, start: U64, end: U64) -> tuple[U64, U64]:
    """Give the key of a word, and in the upper half of a second number what else tells it apart."""
    size = end - start
    if size < _EIGHT:
        return load_8_bytes(data, start) & ((_ONE << (size << _THREE)) - _ONE) | size << _LENGTH, _ZERO
    key, check = _mix(size), size
    while end - start > _EIGHT:
        key = _mix(key ^ load_8_bytes(data, start))
        check = (check ^ load_8_bytes(data, start)) * _FACTOR
        start += _EIGHT
    last = load_8_bytes(data, end - _EIGHT)
    return _mix(key ^ last) | _LONG, _mix((check ^ last) * _FACTOR) >> _HALF << _HALF


@helper
def _mix(value: U64) -> U64:
    """Permute 64-bit integers: the last step of SplitMix64 (Steele, Lea, Flood 2014)."""
    value = (value ^ value >> U64(30)) * U64(0xBF58476D1CE4E5B9)
    value = (value ^ value >> U64(27)) * U64(0x94D049BB133111EB)
    return value ^ value >> U64(31)


@helper
def _place(key: U64, places: U64) -> U64:
    """Give the place where a key is looked for first: the hash's upper half times the places."""
    return (_mix(key) >> _HALF) * places >> _HALF


@helper
def _probe_word(key: U64, check: U64, slot: U64, words: UInt64s) -> U64:
    """Give the slot of a word, or the free one where it would be, from its first place on."""
    while words[_TWO * slot + _ONE] and (
        words[_TWO * slot] != key or words[_TWO * slot + _ONE] >> _HALF != check >> _HALF
    ):
        slot += _ONE
        if _TWO * slot == len(words):
            slot = _ZERO
    return slot


@helper
def _pair(run: U64, slot: U64) -> U64:
    """Give the key of a run and one more word; never 0, which is a free row's."""
    return U64(run) << _HALF | U64(slot) + _ONE


@helper
def _find_run(run: U64, slot: U64, keys: UInt64s) -> U64:
    """Give the row of a run and one more word, or the free row where it would be."""
    key = _pair(run, slot)
    return _probe_run(key, _place(key, U64(len(keys))), keys)


@helper
def _probe_run(key: U64, row: U64, keys: UInt64s) -> U64:
    while keys[row] != key and keys[row]:
        row += _ONE
        if row == len(keys):
            row = _ZERO
    return row


@helper
def _sort_unique(ids: Int32s, first: U64, end: U64) -> U64:
    """Sort ids[first:end] in place, the distinct ones first, and give the end of those."""
    if end > first + U64(_FEW):
        ids[first:end].sort()
    else:
        for last in range(first + _ONE, end):
            moving = ids[last]
            for at in range(first, last):
                here = ids[at]
                ids[at], moving = (moving, here) if moving < here else (here, moving)
            ids[last] = moving
    count = first
    for row in range(first, end):
        ids[count] = ids[row]
        count += U64(row + _ONE == end or ids[row + _ONE] != ids[row])
    return count
