"""Beam half of `wit_builder.candidates`: one archive, or a slice of it, in, one part out."""

from dataclasses import dataclass, field

from wit_builder import schemas
from wit_builder.candidates import read_candidates
from wit_builder.filters import FilterOptions, Judge
from wit_builder.parts import PartSummary, write_part
from wit_builder.transforms.parts import WorkItem


@dataclass
class ExtractCandidates:
    """Makes the candidates of one WARC or WAT."""

    filters: FilterOptions
    agent: str
    all_rejects: bool
    _judge: Judge | None = field(default=None, init=False)

    def setup(self) -> None:
        """Make the filters."""
        self._judge = Judge(self.filters)

    def run(self, item: WorkItem) -> PartSummary:
        """Extract and filter the pairs of one archive, or of a slice of it."""
        assert self._judge is not None, "setup comes first"
        with write_part(item.output, schemas.CANDIDATE, all_rejects=self.all_rejects) as part:
            for archive in item.inputs:
                for batch in read_candidates(archive, self.agent, part.count, item.start, item.end):
                    judged = self._judge(batch)
                    part.write(judged, judged.column("drop_reason"))
        return part.summary()
