"""Match: which queries of the vocabulary a text contains, as whole words."""

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vocab.lookup import QueryIndex
from wit_builder import schemas
from wit_builder.parts import reasons_where
from wit_builder.records import DropReason
from wit_builder.tokens import split_spaced, split_words, utf8, utf8_of_one


class Semantics(StrEnum):
    """What it means that a text contains a query."""

    WORDS = "words"
    """Whole words, after the shared normalisation of both (`wit_builder.text`)."""
    METACLIP = "metaclip"
    """MetaCLIP's published rule, for ablations: the query, as the vocabulary has it, with
    a space on either side is a substring of the text, in which only MetaCLIP's seven
    punctuation marks are set apart (`wit_builder.tokens.split_spaced`). The text is not
    folded, the queries of a vocabulary are, so "Dog" and "(dog)" do not contain "dog"."""


class QueryMatcher:
    """Finds queries in texts: a query of n words matches n consecutive words of the text.

    Overlapping and nested matches all count. A text without a word, of emoji alone
    say, contains nothing; nor does a missing text. Combining marks alone are a word.

    Args:
        index: of the vocabulary, opened from its folder.
        semantics: how texts are cut into words.
    """

    def __init__(self, index: QueryIndex, semantics: Semantics = Semantics.WORDS) -> None:
        self._index = index
        self._split = split_words if semantics is Semantics.WORDS else split_spaced

    def match(self, text: str) -> list[int]:
        """List the ids of the queries in one text, sorted and unique."""
        ids: list[int] = self._index.lookup(self._split(*utf8_of_one(text)))[1].tolist()
        return ids

    def match_texts(
        self, texts: Sequence[str | None] | pa.Array | pa.ChunkedArray
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
        """Match many texts at once; an Arrow column is read where it lies.

        Args:
            texts: n texts.

        Returns:
            Offsets, int64 of shape (n + 1,), and ids, int32: those of text i are
            ids[offsets[i]:offsets[i + 1]], sorted and unique.
        """
        return self._index.lookup(self._split(*utf8(texts)))


def match_batch(matcher: QueryMatcher, candidates: pa.RecordBatch) -> tuple[pa.RecordBatch, pa.Array]:
    """Add the matched query ids to a batch of candidates.

    Args:
        matcher: of the vocabulary.
        candidates: n rows in `schemas.CANDIDATE`.

    Returns:
        n rows in `schemas.MATCHED_PAIR`, none selected yet, and n reasons to
        drop: "no_query", or null where a query matched.
    """
    offsets, ids = matcher.match_texts(candidates.column("text"))
    pairs = pa.RecordBatch.from_arrays(
        [
            *candidates.columns,
            schemas.id_lists(offsets, ids),
            schemas.id_lists(np.zeros_like(offsets), np.empty(0, np.int32)),
        ],
        schema=schemas.MATCHED_PAIR,
    )
    return pairs, reasons_where(np.diff(offsets) == 0, DropReason.NO_QUERY)
