"""What came of a crawl so far, in numbers."""

from dataclasses import dataclass

from wit_builder.frontier import Frontier
from wit_builder.outcomes import BY_ROBOTS, KEPT, STEPS, Outcome


@dataclass(frozen=True, slots=True)
class CrawlSummary:
    """Counts over the whole crawl, earlier runs included."""

    pages: int
    """HTML pages written, those included that have not changed."""
    unchanged: int
    """Pages of a recrawl that are as they were."""
    bytes: int
    """Their bodies."""
    failures: dict[Outcome, int]
    """Pages by what went wrong or was not wanted; grounds of robots.txt too."""
    waiting: int
    """Known and not asked for: above zero if max_pages ended the crawl."""
    asked: int
    """Requests for pages and sitemaps."""

    @property
    def robots_denied(self) -> int:
        """Pages that robots.txt kept us from."""
        return sum(self.failures.get(outcome, 0) for outcome in BY_ROBOTS.values())


def summarise(frontier: Frontier) -> CrawlSummary:
    """Count what came of the pages so far."""
    totals = frontier.totals()
    kept = [totals[outcome] for outcome in KEPT if outcome in totals]
    failures = {outcome: count.pages for outcome, count in totals.items() if outcome}
    for outcome in KEPT | STEPS:
        failures.pop(outcome, None)
    unchanged = totals.get(Outcome.UNCHANGED)
    waiting = totals.get(None)
    return CrawlSummary(
        pages=sum(count.pages for count in kept),
        unchanged=unchanged.pages if unchanged else 0,
        bytes=sum(count.bytes for count in kept),
        failures=dict(sorted(failures.items())),
        waiting=waiting.pages if waiting else 0,
        asked=frontier.asked_in_all(),
    )
