"""Options of `wit vocab build`."""

from dataclasses import dataclass

from pipelines.options import option, require, require_one_of
from vocab.merge import MAX_QUERIES
from vocab.pageviews import MIN_VIEWS
from vocab.select import MIN_COUNT

MAX_BIGRAMS = 100_000
_WORDNET_MODES = ("lemmas", "synsets", "none")


@dataclass(frozen=True, kw_only=True)
class VocabOptions:
    """Options of `wit vocab build`."""

    dumps: tuple[str, ...] = option(
        "Wikipedia pages-articles XML dump (.bz2, .gz, .zst, .xml). May be repeated.", path=True
    )
    output: str = option("Folder for the vocabulary.", path=True)
    min_count: int = option("A word is a query from so many occurrences.", MIN_COUNT)
    min_bigram_count: int = option("A bigram is considered from so many occurrences.", MIN_COUNT)
    max_bigrams: int = option("So many bigrams of the highest pointwise mutual information.", MAX_BIGRAMS)
    min_pmi: float | None = option("A bigram is considered from so many bits of it.", None)
    numbers: bool = option("Add the numbers 0 to 99.", False)
    wordnet: str = option("lemmas (all synonyms), synsets (first lemma of each) or none.", "lemmas")
    wordnet_folder: str | None = option(
        "Folder of data.noun (default: where NLTK or Debian keep it).", None, path=True
    )
    pageviews: tuple[str, ...] = option(
        "Wikimedia page view files: hourly pageviews or pagecounts, or pageview_complete.", (), path=True
    )
    min_pageviews: int = option("A title is a query from so many views in them.", MIN_VIEWS)
    redirect_aliases: bool = option("Add the titles that lead to such a title.", False)
    max_queries: int = option("Size of the vocabulary.", MAX_QUERIES)

    def __post_init__(self) -> None:
        require_one_of("wordnet", self.wordnet, _WORDNET_MODES)
        for name in ("min_count", "min_bigram_count", "min_pageviews", "max_queries"):
            require(name, getattr(self, name), 1)
        require("max_bigrams", self.max_bigrams, 0)
        if self.redirect_aliases:
            require("number of pageviews files, which redirect_aliases needs,", len(self.pageviews), 1)
