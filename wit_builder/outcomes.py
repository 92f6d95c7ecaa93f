"""What became of a page that the crawler knew of: a closed set of words."""

from enum import StrEnum

from wit_builder.web import FetchError, HttpResponse, Refusal


class Outcome(StrEnum):
    """What became of a page. Closed: summary, manifest and frontier use no other word."""

    # kept
    PAGE = "page"
    UNCHANGED = "unchanged"
    """A recrawl found what the earlier crawl had."""
    # steps on the way, neither kept nor dropped
    REDIRECT = "redirect"
    SITEMAP = "sitemap"
    # dropped without a request
    HOST_BUDGET = "host_budget"
    DUPLICATE_PAGE = "duplicate_page"
    """It is, or names as its canonical address, a page that is there already."""
    ROBOTS_DISALLOWS = "robots_disallows"
    ROBOTS_DELAY = "robots_delay"
    ROBOTS_UNREACHABLE = "robots_unreachable"
    # dropped for what was answered
    NOT_HTML = "not_html"
    HTTP_4XX = "http_4xx"
    HTTP_5XX = "http_5xx"
    HTTP_OTHER = "http_other"
    # dropped for a fault; the words of `FetchError`
    BAD_URL = "bad_url"
    UNSUPPORTED_SCHEME = "unsupported_scheme"
    PRIVATE_ADDRESS = "private_address"
    DNS_FAILED = "dns_failed"
    CONNECT_FAILED = "connect_failed"
    TLS_FAILED = "tls_failed"
    TIMEOUT = "timeout"
    TOO_LARGE = "too_large"
    TOO_MANY_REDIRECTS = "too_many_redirects"
    REDIRECT_REFUSED = "redirect_refused"
    BAD_RESPONSE = "bad_response"
    INCOMPLETE_BODY = "incomplete_body"
    CONNECTION_RESET = "connection_reset"
    HOST_UNAVAILABLE = "host_unavailable"


KEPT = frozenset({Outcome.PAGE, Outcome.UNCHANGED})
SAME_PAGE = KEPT | {Outcome.DUPLICATE_PAGE}
"""Who names a page with one of these as its canonical address is a duplicate."""
STEPS = frozenset({Outcome.REDIRECT, Outcome.SITEMAP})
BY_ROBOTS = {
    Refusal.ROBOTS_DISALLOWS: Outcome.ROBOTS_DISALLOWS,
    Refusal.ROBOTS_DELAY: Outcome.ROBOTS_DELAY,
    Refusal.ROBOTS_UNREACHABLE: Outcome.ROBOTS_UNREACHABLE,
}
"""Outcomes by the ground of robots.txt."""

_STATUSES = {4: Outcome.HTTP_4XX, 5: Outcome.HTTP_5XX}


def fault_of(response: HttpResponse) -> Outcome | None:
    """Name what is wrong with an answer; None if nothing is."""
    if response.error is None:
        return None
    if response.error is FetchError.HTTP_STATUS:
        return _STATUSES.get((response.status or 0) // 100, Outcome.HTTP_OTHER)
    return Outcome(response.error.value)
