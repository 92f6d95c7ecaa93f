"""Draw how often queries occur by their rank, and how many each source gave."""

from dataclasses import dataclass
from typing import Any

from pipelines.answer import JSON_HELP, Answer
from pipelines.cli import main_of
from pipelines.figure import write_figure
from pipelines.options import option
from vocab.statistics import describe, rank_frequencies
from vocab.vocabulary import Vocabulary, open_vocabulary
from wit_builder.records import QuerySource

_CURVES = {
    QuerySource.UNIGRAM: "words",
    QuerySource.BIGRAM: "bigrams",
    QuerySource.TITLE: "titles (page views)",
}


@dataclass(frozen=True, kw_only=True)
class PlotOptions:
    """Options of `wit vocab plot`."""

    vocabulary: str = option("Folder of the vocabulary.", path=True, argument=True)
    output: str = option("File to write: .png or .svg.", path=True, argument=True)
    json: bool = option(JSON_HELP, False)


def run(options: PlotOptions) -> list[Answer]:
    """Draw a vocabulary.

    Raises:
        UserError: the vocabulary is missing or damaged, or the file cannot be written.
    """
    vocabulary = open_vocabulary(options.vocabulary)
    write_figure(draw(vocabulary), options.output)
    facts = {"queries": len(vocabulary), "output": options.output}
    return [Answer(facts, [f"{len(vocabulary):,} queries drawn in {options.output}"])]


def draw(vocabulary: Vocabulary) -> Any:
    """Make the figure: rank and frequency with log axes, beside it the queries of each source."""
    from matplotlib.figure import Figure  # half a second that the other verbs do without

    figure = Figure(figsize=(12, 4.5))
    curves, bars = figure.subplots(1, 2, gridspec_kw={"wspace": 0.35})
    for source, label in _CURVES.items():
        ranks, scores = rank_frequencies(vocabulary.table, source)
        if ranks.size:
            curves.loglog(ranks, scores, label=label)
    curves.set(title="Frequency by rank", xlabel="rank", ylabel="occurrences in Wikipedia, or page views")
    curves.minorticks_off()  # drawing them takes as long as all the rest
    for axis in (curves.xaxis, curves.yaxis, bars.xaxis):
        axis.set_major_formatter("{x:,.0f}")
    if curves.lines:
        curves.legend()
    shares = describe(vocabulary.table).by_source
    bars.locator_params(axis="x", nbins=4)
    drawn = bars.barh(list(shares), list(shares.values()))
    bars.bar_label(drawn, [f"{number:,}" for number in shares.values()], padding=3)
    bars.margins(x=0.2)
    bars.invert_yaxis()
    bars.set(title=f"Sources of {len(vocabulary):,} queries (a query may have several)", xlabel="queries")
    return figure


if __name__ == "__main__":
    main_of("pipelines.vocab.plot")
