"""What a source gives to the merge: a text that it claims as a query."""

from dataclasses import dataclass

from wit_builder.records import QuerySource


@dataclass(frozen=True, slots=True)
class Entry:
    """One text from one source, with the score that the source has for it."""

    text: str
    source: QuerySource
    count: int | None = None
    """Occurrences in Wikipedia, of the word or of the bigram."""
    pmi: float | None = None
    """Pointwise mutual information of a bigram, in bits."""
    pageviews: int | None = None
