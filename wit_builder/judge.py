"""Which addresses a crawl takes up: out of seeds, links, redirects and sitemaps."""

from collections.abc import Iterable, Iterator
from contextlib import suppress

from yarl import URL

from wit_builder.crawl_options import CrawlOptions
from wit_builder.links import Links, canonical, shard_of, site_of
from wit_builder.sitemaps import entries_of
from wit_builder.visits import Page, Wave
from wit_builder.web import HttpResponse

MAX_REDIRECTS = 5

_MAX_NESTED = 3  # redirects and indexes between a robots.txt and a sitemap
_MAX_INDEXED = 100  # sitemaps taken of one index
_MAX_URL = 2_000  # characters
_NOT_PAGES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".svg", ".pdf", ".zip", ".gz", ".mp3", ".mp4")


class Judge:
    """Judges addresses for one shard.

    Args:
        options: of the crawl.
        shard: whose pages are visited here; others' carry their shard's number.
    """

    def __init__(self, options: CrawlOptions, shard: int) -> None:
        self._options = options
        self._shard = shard
        self._sites = {site_of(URL(seed)) for seed in options.seeds}

    def seeds(self) -> list[Page]:
        """List the seeds of this shard."""
        pages = [self._page(URL(seed), Wave(0, 0)) for seed in self._options.seeds]
        return [page for page in pages if page.shard is None]

    def by_redirect(self, page: Page, response: HttpResponse) -> tuple[Page, ...]:
        """Give where a redirect leads, if it is wanted."""
        wave = Wave(page.wave.depth, page.wave.redirects + 1)
        with suppress(ValueError):
            target = URL(response.final_url).join(URL(response.header("Location")))
            wanted = self._on_site(target) if page.sitemap else self._wanted(target)
            if wave.redirects <= MAX_REDIRECTS and wanted:
                return (self._page(target, wave, page.sitemap),)
        return ()

    def by_links(self, page: Page, links: Links) -> tuple[Page, ...]:
        """Give the pages that a page links to, if they are near enough and wanted."""
        if page.wave.depth >= self._options.max_depth:
            return ()
        wave = Wave(page.wave.depth + 1, 0)
        return tuple(self._page(url, wave) for url in links.targets if self._wanted(url))

    def canonical_of(self, page: Page, links: Links) -> Page | None:
        """Give the page that a page says it is, if that is another one of its host."""
        if links.canonical is None or not self._wanted(links.canonical):
            return None
        home = self._page(links.canonical, page.wave)
        return home if home.host == page.host and home.url != page.url else None

    def by_robots(self, page: Page, sitemaps: Iterable[str]) -> tuple[Page, ...]:
        """Give the sitemaps that the robots.txt of a page's site names."""
        wave = Wave(page.wave.depth, page.wave.redirects + 1)
        return tuple(self._maps(page, sitemaps, wave)) if page.wave.depth < self._options.max_depth else ()

    def by_sitemap(self, page: Page, response: HttpResponse) -> tuple[Page, ...]:
        """Give the pages and sitemaps that a sitemap lists of its own site."""
        entries = list(entries_of(response.body, self._options.max_bytes))
        nested = Wave(page.wave.depth, page.wave.redirects + 1)
        indexed = [entry.url for entry in entries if entry.is_sitemap][:_MAX_INDEXED]
        found = list(self._maps(page, indexed, nested)) if nested.redirects <= _MAX_NESTED else []
        wave = Wave(page.wave.depth + 1, 0)
        for entry in entries:
            with suppress(ValueError):
                url = URL(entry.url)
                if not entry.is_sitemap and self._wanted(url) and site_of(url) == site_of(URL(page.url)):
                    found.append(self._page(url, wave))
        return tuple(found[: self._options.max_pages_per_host])

    def _maps(self, page: Page, urls: Iterable[str], wave: Wave) -> Iterator[Page]:
        for named in urls:
            with suppress(ValueError):
                url = URL(named)
                if self._on_site(url) and site_of(url) == site_of(URL(page.url)):
                    yield self._page(url, wave, sitemap=True)

    def _wanted(self, url: URL) -> bool:
        return self._on_site(url) and not url.raw_path.lower().endswith(_NOT_PAGES)

    def _on_site(self, url: URL) -> bool:
        return (
            url.scheme in ("http", "https")
            and bool(url.raw_host)
            and len(str(url)) <= _MAX_URL
            and (not self._options.same_site or site_of(url) in self._sites)
        )

    def _page(self, url: URL, wave: Wave, sitemap: bool = False) -> Page:
        host = f"{url.raw_host}:{url.port}".lower()
        shard = shard_of(host, self._options.shards)
        return Page(canonical(url), host, wave, sitemap, None if shard == self._shard else shard)
