"""Beam half of `wit_builder.match`: one part of candidates in, one part of pairs out."""

from dataclasses import dataclass, field

import pyarrow.compute as pc

from vocab.lookup import QueryIndex
from wit_builder import schemas
from wit_builder.match import QueryMatcher, Semantics, match_batch
from wit_builder.parts import PartSummary, read_batches, write_part
from wit_builder.transforms.parts import ROWS_PER_READ, WorkItem


@dataclass
class MatchQueries:
    """Keeps the candidates whose text contains a query."""

    vocabulary: str
    digest: str
    semantics: Semantics
    keep_unmatched: bool
    all_rejects: bool
    _matcher: QueryMatcher | None = field(default=None, init=False)

    def setup(self) -> None:
        """Open the vocabulary's index, shared by the machine's workers through its mapping."""
        self._matcher = QueryMatcher(QueryIndex.open(self.vocabulary, self.digest), self.semantics)

    def run(self, item: WorkItem) -> PartSummary:
        """Match one part."""
        assert self._matcher is not None, "setup comes first"
        with write_part(item.output, schemas.MATCHED_PAIR, all_rejects=self.all_rejects) as part:
            for batch in read_batches(item.inputs, rows=ROWS_PER_READ):
                pairs, reasons = match_batch(self._matcher, batch)
                if self.keep_unmatched:
                    part.count("unmatched", pc.sum(reasons.is_valid(), min_count=0).as_py())
                    reasons = None
                part.write(pairs, reasons)
        return part.summary()
