"""Tables of counts for tests."""

from collections.abc import Mapping

import pyarrow as pa

from wit_builder import schemas


def ngrams(counts: Mapping[str, int]) -> pa.Table:
    return pa.table([list(counts.keys()), list(counts.values())], schema=schemas.NGRAM)
