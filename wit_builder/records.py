"""What travels from stage to stage, one frozen dataclass a record.

`schemas` holds the same records as Arrow schemas; the field names and their
order agree (tested).
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class QuerySource(StrEnum):
    """Where a query of the vocabulary came from."""

    UNIGRAM = "unigram"
    BIGRAM = "bigram"
    TITLE = "title"
    WORDNET_SYNSET = "wordnet_synset"
    WORDNET_LEMMA = "wordnet_lemma"


class TextSource(StrEnum):
    """Where on the page the text of a candidate stood."""

    ALT = "alt"
    TITLE = "title"
    FIGCAPTION = "figcaption"
    OG = "og"
    JSON_LD = "json_ld"


class Status(StrEnum):
    """Outcome of fetching one image, in img2dataset's words."""

    SUCCESS = "success"
    FAILED_TO_DOWNLOAD = "failed_to_download"
    FAILED_TO_RESIZE = "failed_to_resize"


class DropReason(StrEnum):
    """Why a row did not leave a stage. Closed: a stage may use no other word."""

    # vocab
    OTHER_NAMESPACE = "other_namespace"
    REDIRECT = "redirect"
    EMPTY = "empty"
    DAMAGED_PAGE = "damaged_page"
    DAMAGED_STREAM = "damaged_stream"
    RARE = "rare"
    DUPLICATE_QUERY = "duplicate_query"
    # candidates
    NO_TEXT = "no_text"
    BAD_URL = "bad_url"
    UNSUPPORTED_SCHEME = "unsupported_scheme"
    TINY_IMAGE = "tiny_image"
    TEXT_TOO_SHORT = "text_too_short"
    TEXT_TOO_LONG = "text_too_long"
    TEXT_NOT_WORDS = "text_not_words"
    TEXT_IS_FILE_NAME = "text_is_file_name"
    TEXT_IS_URL = "text_is_url"
    TEXT_IS_PLACEHOLDER = "text_is_placeholder"
    TEXT_HAS_CONTROLS = "text_has_controls"
    TEXT_IS_MOJIBAKE = "text_is_mojibake"
    NOT_A_PHOTO_URL = "not_a_photo_url"
    BLOCKED_HOST = "blocked_host"
    BLOCKED_TEXT = "blocked_text"
    OTHER_LANGUAGE = "other_language"
    REPEATED_TEXT = "repeated_text"
    URL_OVER_CAP = "url_over_cap"
    HOST_OVER_CAP = "host_over_cap"
    # match
    NO_QUERY = "no_query"
    # balance, candidates
    DUPLICATE_PAIR = "duplicate_pair"
    OVER_CAP = "over_cap"
    # shards
    OPTED_OUT = "opted_out"
    FAILED_TO_DOWNLOAD = "failed_to_download"
    FAILED_TO_RESIZE = "failed_to_resize"
    DUPLICATE_IMAGE = "duplicate_image"
    NEAR_DUPLICATE = "near_duplicate"
    NEAR_TRAINING = "near_training"
    EXCLUDED = "excluded"


@dataclass(frozen=True, slots=True)
class Query:
    """One entry of the vocabulary. `query_id` is its row number."""

    query_id: int
    query: str
    sources: tuple[QuerySource, ...]
    count: int | None = None
    """Occurrences in Wikipedia, of the word or of the bigram."""
    pmi: float | None = None
    """Pointwise mutual information of a bigram, in bits."""
    pageviews: int | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """An image address and a text that a page puts beside it."""

    uid: str
    url: str
    text: str
    text_source: TextSource
    page_url: str
    archive: str
    """File name of the WARC or WAT."""
    archive_offset: int
    """Byte offset of the record in it."""
    captured_at: datetime | None = None
    language: str | None = None
    language_score: float | None = None
    page_license: str | None = None
    opt_out: str | None = None
    """Ground on which the page refuses use of its images, e.g. "meta robots: noai"."""


@dataclass(frozen=True, slots=True)
class MatchedPair(Candidate):
    """A candidate whose text contains queries."""

    matched_query_ids: tuple[int, ...] = ()
    """Sorted, unique."""
    selected_query_ids: tuple[int, ...] = ()
    """Those of them that chose the pair; empty before balance."""


@dataclass(frozen=True, slots=True)
class QueryCount:
    """What balance did to one query."""

    query_id: int
    count: int
    """Distinct pairs that match it."""
    kept_by_query: int
    """Pairs that it selected: min(count, cap) in exact mode."""
    kept_total: int
    """Pairs in the output that match it, whichever query selected them."""
    threshold: int
    """It selects a pair whose priority is at most this (uint64)."""


@dataclass(frozen=True, slots=True)
class FetchedImage(MatchedPair):
    """A pair and what came of fetching its image."""

    status: Status = Status.SUCCESS
    error_message: str | None = None
    rights: str | None = None
    """Ground on which the site refuses use of the image; None if it does not."""
    rights_set_aside: str | None = None
    """Ground that an option told us not to honour; None if there is none."""
    sha256: str | None = None
    """Of the original bytes."""
    phash: str | None = None
    """PDQ of the resized image, 64 hex digits."""
    phash_quality: int | None = None
    """0 (flat) to 100."""
    width: int | None = None
    height: int | None = None
    original_width: int | None = None
    original_height: int | None = None
    exif: str | None = None
    """JSON object of the original's Exif tags by name; None unless asked for."""
    fetched_at: datetime | None = None
    store_file: str | None = None
    store_offset: int | None = None
    store_size: int | None = None
