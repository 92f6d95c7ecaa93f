"""Take listed items out of a finished dataset, and, if asked, out of the store it was made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipelines.cli import main_of
from pipelines.options import option
from pipelines.session import Session, Stage
from wit_builder import manifest, storage
from wit_builder.errors import UserError
from wit_builder.exclude import EXCLUDE_FILE, ExcludeList
from wit_builder.manifest import require_complete, sum_footers
from wit_builder.parts import PartSummary, list_parts, part_path, read_batches, read_table
from wit_builder.records import DropReason
from wit_builder.removal import extend, lists_of, uids_of, version_folder
from wit_builder.shard_files import HOLDOUT, write_sizes
from wit_builder.store import sweep_orphans
from wit_builder.transforms.parts import MakePart, WorkItem
from wit_builder.transforms.removal import FindListed, PurgeImages, RemoveSamples

_FILES_PER_ITEM = 100
_OF_SHARDS = (DropReason.EXCLUDED, DropReason.FAILED_TO_DOWNLOAD, DropReason.FAILED_TO_RESIZE)
"""Reasons that a sidecar's footer counts."""
_WORK = ("named", "found")


@dataclass(frozen=True, kw_only=True)
class RemoveOptions:
    """Options of `wit remove`."""

    dataset: str = option("Folder that `wit shards` wrote.", argument=True, path=True)
    list: tuple[str, ...] = option(
        "Files of uid:, url:, host:, sha256: and phash: lines to remove. May be repeated.", path=True
    )
    purge: str = option(
        "Folder that `wit fetch` wrote: its bytes go, too, and STORE/exclude.txt remembers them.",
        "",
        path=True,
    )

    def __post_init__(self) -> None:
        if not self.list:
            raise UserError("no list is named; give --list FILE")


@dataclass(frozen=True)
class Removal:
    """One removal from one folder: find what is listed, change those files, tell what went."""

    stage: Stage
    folder: str
    """Of the dataset or store: names in the ledger are relative to it."""

    @classmethod
    def begin(
        cls, name: str, folder: str, options: RemoveOptions, exclude: ExcludeList, session: Session
    ) -> "Removal | None":
        """Claim the folder of the next version; None if it is only planned."""
        version = 2 + len(lists_of(folder))
        inputs = {"list": exclude.digest}
        stage = Stage(name, version_folder(folder, version), options, inputs, session)
        begun = stage.begin(f"{len(exclude):,} entries, version {version} of {folder}")
        return cls(stage, folder) if begun else None

    @property
    def version(self) -> int:
        """What the folder's content will be when this is done."""
        return int(storage.basename(self.stage.output))

    def _path(self, name: str) -> str:
        return storage.join(self.stage.output, name)

    def find(self, name: str, files: Sequence[str], exclude: ExcludeList) -> list[str]:
        """Find the rows that a list names; give the parts that tell of them."""
        listed = self._path(f"{name}.txt")
        storage.write_bytes(listed, exclude.text())
        count = -(-len(files) // _FILES_PER_ITEM)
        items = [
            WorkItem(tuple(files[index::count]), part_path(self._path(name), index, count))
            for index in range(count)
        ]
        self.stage.build_parts("Find what is listed", FindListed(self.folder, listed), items)
        return [item.output for item in items]

    def change(self, label: str, make: MakePart, found: Sequence[str]) -> list[str]:
        """Write again the files in which something was found; give the ledger's parts."""
        pairs = [
            (file, part)
            for part in found
            for file in sorted(set(read_table(part, ["file"]).column("file").to_pylist()))
        ]
        ledger = [part_path(self.stage.output, index, len(pairs)) for index in range(len(pairs))]
        items = [
            WorkItem((storage.join(self.folder, file), part), name)
            for (file, part), name in zip(pairs, ledger, strict=True)
        ]
        if items:
            self.stage.build_parts(label, make, items)
        return ledger

    def finish(self, ledger: Sequence[str]) -> None:
        """Leave the ledger and the list of what went."""
        went = ExcludeList().with_entries("uid", uids_of(ledger))
        storage.write_bytes(self._path(EXCLUDE_FILE), went.text())
        self.stage.finish(sum_footers(ledger), ledger)
        for name in _WORK:
            self._clear(name)

    def abandon(self) -> None:
        """Leave no trace: nothing is listed."""
        for name in (*_WORK, ""):
            self._clear(name)

    def _clear(self, name: str) -> None:
        for path in storage.list_dir(self._path(name)):
            storage.remove(path)
        if name:
            storage.remove(self._path(f"{name}.txt"))


def run(options: RemoveOptions, session: Session) -> dict[str, Any]:
    """Remove what is listed; the shard count stays, nothing is refilled, nothing is requested.

    Raises:
        UserError: the dataset or store is missing or unfinished, or a list is none.
    """
    before = require_complete(options.dataset, "shards")
    exclude = ExcludeList.read(options.list)
    if options.purge:
        exclude = _purge(options, exclude, session)
    removal = Removal.begin("remove", options.dataset, options, exclude, session)
    if removal is None:
        return {}
    trained = storage.list_dir(options.dataset, ".parquet")
    held = storage.list_dir(storage.join(options.dataset, HOLDOUT), ".parquet")
    found = removal.find("found", [*trained, *held], exclude)
    ledger = removal.change("Write shards again", RemoveSamples(options.dataset), found)
    if not ledger:
        removal.abandon()
        return {"version": removal.version - 1, "removed": 0}
    samples = write_sizes(options.dataset, trained)
    held_out = write_sizes(storage.join(options.dataset, HOLDOUT), held) if held else 0
    facts = {"version": removal.version, "samples": samples, "holdout_samples": held_out}
    summary = _recount(before, sum_footers([*trained, *held]))
    manifest.revise(options.dataset, summary, [*trained, *held], facts)
    for path in storage.list_dir(storage.join(options.dataset, "rejects")):
        storage.remove(path)  # a sample of what was dropped on the way, which may be listed, too
    removal.finish(ledger)
    return {**facts, "removed": sum_footers(ledger).rows_out}


def _recount(before: Mapping[str, Any], shards: PartSummary) -> PartSummary:
    """Give the counts of a dataset whose shards were written again."""
    counts = PartSummary(**before["counts"])
    earlier = {reason: rows for reason, rows in counts.dropped.items() if reason not in _OF_SHARDS}
    return replace(
        counts, rows_out=shards.rows_out, dropped=dict(sorted({**earlier, **shards.dropped}.items()))
    )


def _purge(options: RemoveOptions, exclude: ExcludeList, session: Session) -> ExcludeList:
    """Take what is listed, and every copy of its bytes, out of the store.

    Returns:
        The list, with all that was ever purged from the store.
    """
    require_complete(options.purge, "fetch")
    store = storage.join(options.purge, "store")
    remembered = storage.join(options.purge, EXCLUDE_FILE)
    removal = Removal.begin("purge", options.purge, options, exclude, session)
    if removal is None:
        return exclude
    indexes = list_parts(store)
    named = removal.find("named", indexes, exclude)
    exclude = extend(exclude, read_batches(named))
    if storage.exists(remembered):
        exclude = exclude.merge(ExcludeList.read([remembered]))
    found = removal.find("found", indexes, exclude)
    exclude = extend(exclude, read_batches(found))
    storage.write_bytes(remembered, exclude.text())
    ledger = removal.change("Purge the store", PurgeImages(options.purge), found)
    sweep_orphans(store)
    if not ledger:
        removal.abandon()
        return exclude
    manifest.revise(options.purge, sum_footers(indexes), indexes, {})
    removal.finish(ledger)
    return exclude


if __name__ == "__main__":
    main_of("pipelines.remove")
