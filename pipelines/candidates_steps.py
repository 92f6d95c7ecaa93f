"""What is counted over all archives after they were read, in steps, each a set of work items."""

from dataclasses import dataclass
from functools import cached_property

from pipelines.session import Stage
from wit_builder import keys, storage
from wit_builder.limits import Limit, LimitOptions, Unit
from wit_builder.manifest import read_footers
from wit_builder.parts import part_path
from wit_builder.records import DropReason
from wit_builder.transforms.keys import FindDuplicates, SortKeys
from wit_builder.transforms.limits import DropRows, FindOver, Outcome, SortEntries
from wit_builder.transforms.parts import MakePart, WorkItem

EXTRACTED = "extracted"
"""Folder of the candidates as they were read."""

_PAIR = "pair"


@dataclass(frozen=True)
class LimitSteps:
    """Takes the parts that were read and makes the parts of the output, one a group of them."""

    stage: Stage
    options: LimitOptions
    parts: tuple[str, ...]

    @cached_property
    def _rows(self) -> list[int]:
        return [footer.rows_out for footer in read_footers(self.parts)]

    @cached_property
    def _groups(self) -> list[tuple[str, ...]]:
        return keys.group_parts(self.parts, self._rows, keys.rows_per_item(sum(self._rows)))

    @cached_property
    def outputs(self) -> list[str]:
        """The parts of the output."""
        return self._names(self.stage.output)

    def run(self, all_rejects: bool) -> None:
        """Find what goes, step by step, and copy what stays."""
        outcomes = [self._find_duplicates()]
        for limit in self.options.limits:
            outcomes.append(self._apply(limit, tuple(outcomes)))
        self._build("Write candidates", DropRows(tuple(outcomes), all_rejects), self.outputs)

    def _find_duplicates(self) -> Outcome:
        outcome = self._outcome(_PAIR, DropReason.DUPLICATE_PAIR)
        self._build("Sort keys", SortKeys(outcome.bits, keys.KEY), self._names(outcome.groups))
        self._ask("Find duplicates", FindDuplicates(outcome.groups, outcome.count, keys.KEY), outcome)
        return outcome

    def _apply(self, limit: Limit, earlier: tuple[Outcome, ...]) -> Outcome:
        outcome = self._outcome(limit.unit, limit.reason)
        sort = SortEntries(limit, outcome.bits, earlier)
        self._build(f"Sort by {limit.unit}", sort, self._names(outcome.groups))
        self._ask(f"Limit by {limit.unit}", FindOver(limit, outcome.groups, outcome.count), outcome)
        return outcome

    def _outcome(self, name: str, reason: DropReason) -> Outcome:
        total = sum(self._rows)
        bits = keys.bucket_bits(total, keys.rows_per_item(total))
        return Outcome(reason, *self._folders(name), len(self._groups), bits)

    def _folders(self, name: str) -> tuple[str, str]:
        work = storage.join(self.stage.output, "work")
        return storage.join(work, f"{name}_groups"), storage.join(work, f"{name}_buckets")

    def _names(self, folder: str) -> list[str]:
        return [part_path(folder, index, len(self._groups)) for index in range(len(self._groups))]

    def _build(self, label: str, make: MakePart, names: list[str]) -> None:
        """Make a part of each group."""
        items = [WorkItem(group, name) for group, name in zip(self._groups, names, strict=True)]
        self.stage.build_parts(label, make, items)

    def _ask(self, label: str, make: MakePart, outcome: Outcome) -> None:
        """Make a part of each bucket."""
        count = 1 << outcome.bits
        items = [WorkItem((), part_path(outcome.buckets, index, count)) for index in range(count)]
        self.stage.build_parts(label, make, items)

    def clear(self) -> None:
        """Remove what was only on the way."""
        read = storage.join(self.stage.output, EXTRACTED)
        folders = [read, storage.join(read, "rejects")]
        for name in (_PAIR, *Unit):
            folders += self._folders(name)
        for folder in folders:
            for path in storage.list_dir(folder):
                storage.remove(path)
