"""Beam half of `wit_builder.candidates`: one archive in, one part out."""

from dataclasses import dataclass, field

import pyarrow as pa

from wit_builder import schemas
from wit_builder.candidates import read_candidates
from wit_builder.filters import Filter, FilterOptions, first_reason, make_filters
from wit_builder.parts import PartSummary, write_part
from wit_builder.transforms.parts import WorkItem


@dataclass
class ExtractCandidates:
    """Makes the candidates of one WARC or WAT."""

    filters: FilterOptions
    agent: str
    all_rejects: bool
    _rules: list[Filter] = field(default_factory=list, init=False)

    def setup(self) -> None:
        """Make the filters."""
        self._rules = make_filters(self.filters)

    def run(self, item: WorkItem) -> PartSummary:
        """Extract and filter the pairs of one archive, or of a slice of it."""
        with write_part(item.output, schemas.CANDIDATE, all_rejects=self.all_rejects) as part:
            for archive in item.inputs:
                for batch in read_candidates(archive, self.agent, part.count, item.start, item.end):
                    part.write(batch, self._reasons(batch))
        return part.summary()

    def _reasons(self, batch: pa.RecordBatch) -> pa.Array:
        """Give the reader's reason where it has one, else the filters'."""
        urls, texts, reasons = (batch.column(name).to_pylist() for name in ("url", "text", "drop_reason"))
        judged = (
            reason or first_reason(self._rules, url, text)
            for url, text, reason in zip(urls, texts, reasons, strict=True)
        )
        return pa.array(judged, pa.string())
