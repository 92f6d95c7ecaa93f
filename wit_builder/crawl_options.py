"""What to crawl, how far and how politely."""

from dataclasses import dataclass, field

from wit_builder.addresses import agent_with_contact, host_key
from wit_builder.errors import UserError

MAX_SHARDS = 100
"""A shard's number has two digits in the names of its files."""


@dataclass(frozen=True, kw_only=True)
class CrawlOptions:
    """What to crawl, how far and how politely. Checked when made."""

    seeds: tuple[str, ...] = field(metadata={"help": "URLs to begin with"})
    output: str = field(metadata={"help": "local folder for the WARC files and the frontier"})
    contact: str = field(default="", metadata={"help": "e-mail or web address site owners can reach you by"})
    max_pages: int = field(default=10_000, metadata={"help": "requests for pages and sitemaps, at most"})
    max_pages_per_host: int = field(
        default=10_000, metadata={"help": "of them, to one host and port, at most"}
    )
    max_depth: int = field(default=5, metadata={"help": "links between a seed and a page, at most"})
    same_site: bool = field(default=True, metadata={"help": "stay on the seeds' hosts (www. or not)"})
    sitemaps: bool = field(default=True, metadata={"help": "read the sitemaps that robots.txt names"})
    recrawl: str = field(
        default="", metadata={"help": "folder of an earlier crawl; ask only for what changed", "path": True}
    )
    shards: int = field(
        default=1, metadata={"help": "divide the hosts over so many workers, by registrable domain"}
    )
    requests_per_second: float = field(default=1.0, metadata={"help": "per registrable domain; 0: no limit"})
    total_requests_per_second: float = field(
        default=0.0, metadata={"help": "of all hosts together; 0: no limit", "tuning": True}
    )
    connections: int = field(default=32, metadata={"help": "hosts asked at once", "tuning": True})
    timeout_seconds: float = field(default=30.0, metadata={"help": "time per page, from first byte to last"})
    max_bytes: int = field(default=5_000_000, metadata={"help": "longer pages are cut, in bytes"})
    warc_bytes: int = field(default=100_000_000, metadata={"help": "length at which a WARC file is finished"})
    allow_private_networks: bool = field(
        default=False, metadata={"help": "allow addresses that are not public"}
    )

    def __post_init__(self) -> None:
        if not self.seeds:
            raise UserError("seeds is empty; give at least one URL")
        for seed in self.seeds:
            if not seed.startswith(("http://", "https://")) or not host_key(seed):
                raise UserError(f"seed {seed!r} is not a web address; give one such as https://example.org/")
        for name in ("max_pages", "max_pages_per_host", "connections", "max_bytes", "warc_bytes", "shards"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} is {getattr(self, name)}; give 1 or more")
        for name in ("max_depth", "requests_per_second", "total_requests_per_second"):
            if getattr(self, name) < 0:
                raise UserError(f"{name} is {getattr(self, name)}; give 0 or more")
        if self.timeout_seconds <= 0:
            raise UserError(f"timeout_seconds is {self.timeout_seconds}; give a number above 0")
        if self.shards > MAX_SHARDS:
            raise UserError(f"shards is {self.shards}; give {MAX_SHARDS} or less")
        self._check_folders_and_contact()

    def _check_folders_and_contact(self) -> None:
        if "://" in self.output:
            raise UserError(f"output {self.output} is not a local folder; crawl to a disk, then copy")
        if "://" in self.recrawl:
            raise UserError(f"recrawl {self.recrawl} is not a local folder; copy the earlier crawl to a disk")
        if not self.same_site and not self.contact:
            raise UserError("same_site is off and there is no contact; give one site owners can use")
        agent_with_contact(self.contact, self.seeds)

    @property
    def user_agent(self) -> str:
        """The User-Agent to ask with."""
        return agent_with_contact(self.contact)
