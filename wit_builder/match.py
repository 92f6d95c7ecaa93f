"""Match: which queries of the vocabulary a text contains, as whole words."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vocab.lookup import QueryIndex
from wit_builder import schemas
from wit_builder.parts import reasons_where
from wit_builder.records import DropReason
from wit_builder.text import tokenize


class QueryMatcher:
    """Finds queries in texts: a query of n words matches n consecutive words of the text.

    Overlapping and nested matches all count. Case, compatibility forms and
    punctuation between words do not (see `wit_builder.text`).

    Args:
        index: of the vocabulary, opened from its folder.
    """

    def __init__(self, index: QueryIndex) -> None:
        self._index = index

    def match(self, text: str) -> list[int]:
        """List the ids of the queries in one text, sorted and unique."""
        return self._index.lookup_one(tokenize(text))

    def match_texts(self, texts: Sequence[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
        """Match many texts at once.

        Args:
            texts: n texts.

        Returns:
            Offsets, int64 of shape (n + 1,), and ids, int32: those of text i are
            ids[offsets[i]:offsets[i + 1]], sorted and unique.
        """
        return self._index.lookup([tokenize(text) for text in texts])


def match_batch(matcher: QueryMatcher, candidates: pa.RecordBatch) -> tuple[pa.RecordBatch, pa.Array]:
    """Add the matched query ids to a batch of candidates.

    Args:
        matcher: of the vocabulary.
        candidates: n rows in `schemas.CANDIDATE`.

    Returns:
        n rows in `schemas.MATCHED_PAIR`, none selected yet, and n reasons to
        drop: "no_query", or null where a query matched.
    """
    offsets, ids = matcher.match_texts(candidates.column("text").to_pylist())
    pairs = pa.RecordBatch.from_arrays(
        [
            *candidates.columns,
            schemas.id_lists(offsets, ids),
            schemas.id_lists(np.zeros_like(offsets), np.empty(0, np.int32)),
        ],
        schema=schemas.MATCHED_PAIR,
    )
    return pairs, reasons_where(np.diff(offsets) == 0, DropReason.NO_QUERY)
