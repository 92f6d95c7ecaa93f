"""Where in a text its queries stand, as it is written there.

Words are compared in their folded form, which may be longer or shorter than what
was written ("ﬁ" is "fi", "e" and an accent are "é"). So a text is folded cluster by
cluster (what a reader takes for one sign: Unicode Standard Annex 29), and each
folded sign remembers the cluster that it came from.
"""

from collections.abc import Iterable, Iterator

import regex

from wit_builder.text import normalize, tokenize

_CLUSTER = regex.compile(r"\p{Hangul}[\p{Hangul}\p{M}]*|\X")  # Hangul letters compose across clusters
_POSSESSIVE = "'s"

Span = tuple[int, int]
"""First sign of the text and the one behind the last."""


def find_spans(text: str, queries: Iterable[str]) -> list[Span]:
    """Find where queries stand in a text.

    Args:
        text: as it is.
        queries: in `query_key` form.

    Returns:
        A span for each place of each query, in the order of the text; nested and
        overlapping ones too.
    """
    wanted = set(queries)
    lengths = sorted({query.count(" ") + 1 for query in wanted})
    words = list(_words(text))
    found = set()
    for first in range(len(words)):
        for length in lengths:
            run = words[first : first + length]
            if " ".join(word for word, _ in run) in wanted:
                found.add((run[0][1][0], run[-1][1][1]))
    return sorted(found)


def join_spans(spans: Iterable[Span]) -> list[Span]:
    """Make one span of those that overlap, so that each sign is marked once.

    Args:
        spans: sorted.
    """
    joined: list[Span] = []
    for start, end in spans:
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _words(text: str) -> Iterator[tuple[str, Span]]:
    """Give the words of a text, as `tokenize` does, and the span of each."""
    clusters = [(match.span(), normalize(match.group())) for match in _CLUSTER.finditer(text)]
    spans = [span for span, folded in clusters for _ in folded]
    folded = "".join(part for _, part in clusters)
    end = 0
    for word in tokenize(folded):
        start = folded.index(word, end)
        end = start + len(word)
        yield word, (spans[start][0], spans[end - 1][1])
        while folded.startswith(_POSSESSIVE, end):  # cut from the word; no word of its own
            end += len(_POSSESSIVE)
