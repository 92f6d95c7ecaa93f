"""Does a site reserve its content by /.well-known/tdmrep.json? (W3C TDM Reservation Protocol, 2024)

The file lists locations, in the patterns of robots.txt, and whether rights on them are
reserved. As in robots.txt the longest pattern that fits counts, and of equals the one
that reserves. A file that cannot be had or read reserves nothing.
"""

import asyncio
import json
import re
from collections import OrderedDict
from dataclasses import dataclass, field

from yarl import URL

from wit_builder.web import Decision, Download, HttpResponse, Refusal, Robots

_PATH = "/.well-known/tdmrep.json"
_MAX_SITES = 10_000
_MAX_BYTES = 500_000
_MAX_RULES = 10_000

Rules = tuple[tuple[str, bool], ...]
"""Location patterns and whether they are reserved."""


@dataclass(slots=True)
class _Site:
    rules: Rules | None = None
    """None: not asked for yet."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class TdmPolicy:
    """The decision of a robots.txt policy, and of tdmrep.json where that one allows.

    Args:
        download: gets a file, following redirects; called once per scheme, host and port.
        robots: asked first.
    """

    def __init__(self, download: Download, robots: Robots) -> None:
        self._download = download
        self._robots = robots
        self._sites: OrderedDict[str, _Site] = OrderedDict()

    async def allows(self, url: str) -> Decision:
        """Decide for one URL, downloading the site's files if need be."""
        decision = await self._robots.allows(url)
        if decision.ground is not None:
            return decision
        try:
            target = URL(url)
            origin = str(target.origin())
        except ValueError:
            return decision
        if target.scheme in ("http", "https") and reserves(await self._rules(origin), target.raw_path_qs):
            return Decision(Refusal.TDM_RESERVED, decision.crawl_delay)
        return decision

    async def _rules(self, origin: str) -> Rules:
        site = self._sites.setdefault(origin, _Site())
        self._sites.move_to_end(origin)
        if len(self._sites) > _MAX_SITES:
            self._sites.popitem(last=False)
        async with site.lock:  # one download however many ask at once
            if site.rules is None:
                site.rules = parse_rules(await self._download(origin + _PATH))
        return site.rules


def parse_rules(response: HttpResponse) -> Rules:
    """Read a tdmrep.json; nothing if it is none."""
    if response.error is not None or len(response.body) > _MAX_BYTES:
        return ()
    try:
        entries = json.loads(response.body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return ()
    if not isinstance(entries, list):
        return ()
    return tuple(
        (entry["location"], str(entry.get("tdm-reservation", 0)).strip() == "1")
        for entry in entries[:_MAX_RULES]
        if isinstance(entry, dict) and isinstance(entry.get("location"), str)
    )


def reserves(rules: Rules, path: str) -> bool:
    """Tell whether rules reserve a path.

    Args:
        rules: of the site.
        path: with its query, percent-encoded.
    """
    fitting = [(len(pattern), reserved) for pattern, reserved in rules if _fits(pattern, path)]
    return max(fitting)[1] if fitting else False


def _fits(pattern: str, path: str) -> bool:
    """Match as robots.txt does (RFC 9309 2.2.3): * is anything, $ is the end."""
    anchored = pattern.endswith("$")
    pieces = re.split(r"\*+", pattern.removesuffix("$") if anchored else pattern)
    if not path.startswith(pieces[0]):
        return False
    place = len(pieces[0])
    for piece in pieces[1:]:
        found = path.find(piece, place)
        if found < 0:
            return False
        place = found + len(piece)
    return not anchored or (path.endswith(pieces[-1]) and (len(pieces) > 1 or place == len(path)))
