"""Verify a dataset and name it by its digest."""

from dataclasses import dataclass
from typing import Any

from pipelines.cli import main_of
from pipelines.options import option
from pipelines.session import Session
from wit_builder import manifest, storage
from wit_builder.check import CheckReport, check_dataset, list_shards
from wit_builder.errors import UserError

_SHOWN_DEFECTS = 20


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """Options of `wit check`."""

    dataset: str = option("Folder that `wit shards` wrote.", argument=True)
    digest: bool = option("Print only the digest of a sound dataset.", False)


def run(options: CheckOptions, session: Session) -> dict[str, Any]:
    """Check every shard of a dataset.

    Raises:
        UserError: a defect was found, or there is no dataset.
    """
    shards = len(list_shards(options.dataset))
    if session.dry_run:
        session.console.print(f"check: {shards} shards", highlight=False)
        return {}
    report = CheckReport()
    with session.progress("Check shards", shards) as update:
        for report in check_dataset(options.dataset, _cap(options.dataset)):
            update(report.shards)
    for defect in report.defects[:_SHOWN_DEFECTS]:
        session.console.print(defect, highlight=False, markup=False)
    if report.defects:
        raise UserError(
            f"{options.dataset} has {report.defect_count} defects; "
            "remove the .parquet of each shard named and _SUCCESS, then run `wit shards` again"
        )
    return (
        {"digest": report.digest}
        if options.digest
        else {
            "shards": report.shards,
            "samples": report.samples,
            "largest_selection": max(report.selected.values(), default=0),
            "digest": report.digest,
        }
    )


def _cap(dataset: str) -> int | None:
    if not storage.exists(storage.join(dataset, manifest.MANIFEST)):
        return None  # somebody else's dataset
    facts = manifest.read(dataset).get("facts", {})
    if facts.get("mode") == "expected" and facts.get("reserve_factor", 1) == 1:
        return None  # the cap holds on average only; with a reserve `wit shards` has applied it
    cap: int | None = facts.get("max_pairs_per_query")
    return cap


if __name__ == "__main__":
    main_of("pipelines.check")
