"""Which candidates are worth keeping: each filter gives a reason to drop, or None."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wit_builder import blocklists, text_filters, url_filters
from wit_builder.errors import UserError
from wit_builder.filtering import Filter
from wit_builder.language import LANGUAGES, detect_languages, language_filter
from wit_builder.parts import reasons_by_number, reasons_where
from wit_builder.records import DropReason


@dataclass(frozen=True, kw_only=True)
class FilterOptions:
    """What the filters of texts and URLs let pass."""

    min_chars: int = field(default=3, metadata={"help": "Shortest text, in characters."})
    max_chars: int = field(default=1000, metadata={"help": "Longest text, in characters."})
    min_words: int = field(
        default=1, metadata={"help": "Fewest words of a text, by its spaces: Chinese and Thai have none."}
    )
    max_words: int | None = field(default=None, metadata={"help": "Most words of a text (default: any)."})
    min_letter_share: float = field(
        default=0.5, metadata={"help": "Smallest share of letters among the characters that are not spaces."}
    )
    not_photo_extensions: tuple[str, ...] = field(
        default=url_filters.EXTENSIONS, metadata={"help": "URLs that end so show no photo. May be repeated."}
    )
    not_photo_paths: tuple[str, ...] = field(
        default=url_filters.PATHS, metadata={"help": "URLs that contain it show no photo. May be repeated."}
    )
    languages: tuple[str, ...] = field(
        default=(),
        metadata={"help": "Keep texts in this language only, such as en; others go. May be repeated."},
    )
    min_language_score: float = field(
        default=0.3, metadata={"help": "Least probability of the language, if one is asked for."}
    )
    blocked_hosts: str | None = field(
        default=None,
        metadata={
            "help": "File of hosts, one a line, whose images, and those of hosts below, go.",
            "path": True,
        },
    )
    blocked_texts: str | None = field(
        default=None,
        metadata={"help": "File of words and phrases, one a line; texts that contain one go.", "path": True},
    )
    skip_filters: tuple[str, ...] = field(
        default=(), metadata={"help": "Filter to leave out, such as placeholder. May be repeated."}
    )
    no_filters: bool = field(default=False, metadata={"help": "Keep every pair that has a text and a URL."})

    def __post_init__(self) -> None:
        if not 0 < self.min_chars <= self.max_chars:
            raise UserError(
                f"min_chars is {self.min_chars}, max_chars {self.max_chars}; use 0 < min_chars <= max_chars"
            )
        if not 0 < self.min_words <= (self.min_words if self.max_words is None else self.max_words):
            raise UserError(
                f"min_words is {self.min_words}, max_words {self.max_words}; use 0 < min_words <= max_words"
            )
        for name in ("min_letter_share", "min_language_score"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"{name} is {getattr(self, name)}; use a share from 0 to 1")
        self._check_words()
        self._check_no_filters()

    def _check_words(self) -> None:
        for name in self.skip_filters:
            if name not in _MAKERS:
                raise UserError(f"skip_filters names {name!r}; use {', '.join(_MAKERS)}")
        for language in self.languages:
            if language not in LANGUAGES:
                raise UserError(
                    f"languages names {language!r}, which is none of {', '.join(sorted(LANGUAGES))}"
                )
        for extension in self.not_photo_extensions:
            if not re.fullmatch(r"\.?\w+", extension):
                raise UserError(f"not_photo_extensions names {extension!r}; write it as svg")
        if "" in self.not_photo_paths:
            raise UserError("not_photo_paths names an empty text, which every URL contains; leave it out")

    def _check_no_filters(self) -> None:
        for name in ("languages", "blocked_hosts", "blocked_texts", "skip_filters"):
            if self.no_filters and getattr(self, name):
                raise UserError(
                    f"no_filters turns all filters off, but {name} is given; leave one of them out"
                )


_MAKERS: Mapping[str, Callable[[FilterOptions], Sequence[Filter]]] = {
    "length": lambda given: text_filters.length_filters(given.min_chars, given.max_chars),
    "words": lambda given: [
        *([text_filters.min_words_filter(given.min_words)] if given.min_words > 1 else []),
        *([text_filters.max_words_filter(given.max_words)] if given.max_words else []),
    ],
    "extension": lambda given: (
        [url_filters.extension_filter(given.not_photo_extensions)] if given.not_photo_extensions else []
    ),
    "path": lambda given: [url_filters.path_filter(given.not_photo_paths)] if given.not_photo_paths else [],
    "file_name": lambda _: [text_filters.file_name_filter()],
    "url": lambda _: [text_filters.url_text_filter()],
    "placeholder": lambda _: [text_filters.placeholder_filter()],
    "controls": lambda _: [text_filters.control_filter()],
    "letters": lambda given: [text_filters.letter_filter(given.min_letter_share)],
    "mojibake": lambda _: [text_filters.mojibake_filter()],
}
"""Filters that are on by default, by the names that `skip_filters` takes, cheapest first."""


def make_filters(options: FilterOptions) -> list[Filter]:
    """List the filters that the options ask for, cheapest first; that of languages is the last.

    Raises:
        UserError: a block list cannot be read.
    """
    if options.no_filters:
        return []
    filters = [
        each for name, make in _MAKERS.items() if name not in options.skip_filters for each in make(options)
    ]
    if options.blocked_hosts:
        filters.append(blocklists.host_filter(options.blocked_hosts))
    if options.blocked_texts:
        filters.append(blocklists.text_list_filter(options.blocked_texts))
    if options.languages:
        filters.append(language_filter(options.languages, options.min_language_score))
    return filters


def first_reason(filters: Sequence[Filter], url: str, text: str) -> DropReason | None:
    """Give the reason of the first filter that drops the pair, or None."""
    return next((reason for each in filters if (reason := each(url, text))), None)


def first_reasons(filters: Sequence[Filter], urls: pa.Array, texts: pa.Array) -> pa.Array:
    """Give n pairs the reasons that `first_reason` gives each: string array, null where a pair stays."""
    found = np.full(len(urls), -1)
    rows = np.arange(len(urls))
    for number, each in enumerate(filters):
        dropped = each.drops_of(urls, texts)
        if dropped.any():
            found[rows[dropped]] = number
            stay = pa.array(~dropped)
            rows, urls, texts = rows[~dropped], urls.filter(stay), texts.filter(stay)
    return reasons_by_number(found, [each.reason for each in filters])


class Judge:
    """Applies the filters to batches of candidates.

    Raises:
        UserError: a block list cannot be read.
    """

    def __init__(self, options: FilterOptions) -> None:
        filters = make_filters(options)
        self._filters = filters[:-1] if options.languages else filters
        self._languages = options.languages
        self._min_score = options.min_language_score

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Give reasons to the rows that have none yet, and their languages if some are asked for.

        Args:
            batch: candidates with their `drop_reason`, null where a row stays.

        Returns:
            The same rows with more reasons.
        """
        staying = batch.column("drop_reason").is_null()
        pairs = batch.select(["url", "text"]).filter(staying)
        reasons = first_reasons(self._filters, pairs.column("url"), pairs.column("text"))
        batch = _replace(batch, "drop_reason", staying, reasons)
        return self._detect(batch) if self._languages else batch

    def _detect(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        staying = batch.column("drop_reason").is_null()
        detected = detect_languages(batch.column("text").filter(staying).to_pylist())
        others = ~detected.among(self._languages, self._min_score)
        batch = _replace(batch, "drop_reason", staying, reasons_where(others, DropReason.OTHER_LANGUAGE))
        batch = _replace(batch, "language", staying, detected.languages)
        return _replace(batch, "language_score", staying, detected.scores)


def _replace(batch: pa.RecordBatch, name: str, rows: pa.Array, values: pa.Array) -> pa.RecordBatch:
    """Give a column other values in the rows of a mask."""
    position = batch.schema.get_field_index(name)
    column = pc.replace_with_mask(batch.column(position), rows, values)
    return batch.set_column(position, batch.schema.field(position), column)
