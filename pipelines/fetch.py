"""Pairs -> image store: site by site, politely, each URL once."""

from dataclasses import dataclass, field
from typing import Any

from pipelines.cli import main_of
from pipelines.fetch_plan import show_plan
from pipelines.fetch_retry import parse_statuses, request_retry, run_retries
from pipelines.fetch_rounds import Rounds
from pipelines.options import MAX_SEED, option, require
from pipelines.session import Session, Stage
from wit_builder import storage, store
from wit_builder.addresses import agent_with_contact
from wit_builder.download import DownloadOptions
from wit_builder.exclude import ExcludeList
from wit_builder.fetch import FetchOptions
from wit_builder.images import ImageOptions
from wit_builder.manifest import require_complete, sum_footers
from wit_builder.names import require_names
from wit_builder.parts import list_parts, read_batches
from wit_builder.rights import RightsOptions
from wit_builder.rounds import Limit, Round
from wit_builder.sandbox import DecodeLimits
from wit_builder.transforms.fetch import FetchSettings


@dataclass(frozen=True, kw_only=True)
class FetchStageOptions:
    """Options of `wit fetch`."""

    pairs: str = option("Folder that `wit balance` wrote.", path=True)
    output: str = option("Folder for the image store.", path=True)
    contact: str = option("E-mail or web address for site owners; part of the User-Agent.", "", path=True)
    urls_per_item: int = option("About so many URLs make one work item.", 2_000)
    max_urls_per_host: int = option(
        "At most so many URLs of a site in one round, if its rate allows as many in item_seconds.", 10_000
    )
    seed: int = option("Of the order in which a site's URLs are taken.", 0)
    exclude: tuple[str, ...] = option(
        "Files of uid:, url:, host:, sha256: and phash: lines that are never asked for or stored.",
        (),
        path=True,
    )
    decoders: int = option("Processes that decode, for each work item.", 1, path=True)
    retry: str = option(
        "Fetch anew what failed: failed_to_download, failed_to_resize or both with a comma.", "", path=True
    )
    download: DownloadOptions = field(default_factory=DownloadOptions)
    fetch: FetchOptions = field(default_factory=FetchOptions)
    rights: RightsOptions = field(default_factory=RightsOptions)
    images: ImageOptions = field(default_factory=ImageOptions)
    limits: DecodeLimits = field(default_factory=DecodeLimits)

    def __post_init__(self) -> None:
        require("urls_per_item", self.urls_per_item, 1)
        require("decoders", self.decoders, 1)
        require("seed", self.seed, 0, MAX_SEED)
        require("max_urls_per_host", self.max_urls_per_host, 1)
        parse_statuses(self.retry)

    def limit(self) -> Limit:
        """Give how many URLs of a site a round takes."""
        return Limit(self.download.rates(), max(self.fetch.item_seconds, 1.0), self.max_urls_per_host)

    def order(self) -> Round:
        """Give the order of a site's URLs."""
        return Round(self.seed, None, {}, self.download.rates())

    def settings(self) -> FetchSettings:
        """Give what decides how a work item is fetched."""
        return FetchSettings(
            contact=self.contact,
            download=self.download,
            fetch=self.fetch,
            rights=self.rights,
            images=self.images,
            limits=self.limits,
            decoders=self.decoders,
            exclude=self.exclude,
        )


def run(options: FetchStageOptions, session: Session) -> dict[str, Any]:
    """Fetch round after round until every URL was asked for once, then what is to be retried.

    Raises:
        UserError: the pairs are missing or unfinished, no contact is given for hosts that are not local,
            or no name resolves.
    """
    pairs = require_complete(options.pairs, "balance")
    parts = list_parts(options.pairs)
    some_urls = _some_urls(parts)
    agent_with_contact(options.contact, some_urls)  # no site of others without one
    inputs = {"pairs": pairs["fingerprint"], "exclude": ExcludeList.read(options.exclude).digest}
    stage = Stage("fetch", options.output, options, inputs, session)
    if not session.dry_run:
        request_retry(options.output, parse_statuses(options.retry))
    if not stage.begin(f"{pairs['counts']['rows_out']:,} pairs"):
        if session.dry_run:
            show_plan(session, parts, options.order(), options.limit())
        return stage.manifest()
    require_names(some_urls)
    store_folder = storage.join(options.output, "store")
    store.sweep_orphans(store_folder)
    rounds = Rounds(stage, options.settings(), options.limit(), options.order(), options.urls_per_item)
    run_count = rounds.run(parts)
    run_retries(stage, rounds)
    store.sweep_orphans(store_folder)
    indexes = list_parts(store_folder)
    facts = {**pairs["facts"], "rounds": run_count}
    return stage.finish(sum_footers(indexes), indexes, facts, pairs["counts"]["rows_out"])


def _some_urls(parts: list[str]) -> list[str]:
    """List a thousand URLs, enough to see whose sites will be asked."""
    batch = next(read_batches(parts, ["url"]), None)
    return batch.column("url").to_pylist() if batch else []


if __name__ == "__main__":
    main_of("pipelines.fetch")
