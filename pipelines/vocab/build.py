"""Wikipedia dumps, page views and WordNet -> the vocabulary: the list of queries."""

import math
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipelines.cli import main_of
from pipelines.session import Session, Stage
from pipelines.vocab.choice import Counts, choose, write
from pipelines.vocab.counts import Floors, count_bigrams, count_views, count_words, dump_items
from pipelines.vocab.options import VocabOptions
from vocab import artifact
from vocab.select import frequent_words
from vocab.wordnet import find_wordnet, open_wordnet
from wit_builder import schemas, storage
from wit_builder.errors import UserError
from wit_builder.manifest import fingerprint_files, sum_footers
from wit_builder.parts import PartSummary
from wit_builder.transforms.parts import WorkItem
from wit_builder.transforms.vocab import WORDS

_FLOOR_SHARE = 10
"""Words and titles are written down from a tenth of what makes them queries."""


def run(options: VocabOptions, session: Session) -> dict[str, Any]:
    """Count the dumps, choose words, bigrams and titles, add WordNet, write the vocabulary.

    Raises:
        UserError: an input is missing or of another kind, WordNet is not found, or no query is left.
    """
    dumps, pageviews = _expand(options.dumps), _expand(options.pageviews)
    wordnet = None if options.wordnet == "none" else find_wordnet(options.wordnet_folder)
    inputs = {"dumps": fingerprint_files(dumps), "pageviews": fingerprint_files(pageviews)}
    if wordnet is not None:
        inputs["wordnet"] = fingerprint_files(map(str, sorted(wordnet.glob("data.*")) or [wordnet]))
    stage = Stage("vocab", options.output, options, inputs, session)
    items = dump_items(dumps, storage.join(options.output, "work", "tokens"))
    if not stage.begin(f"{len(dumps)} dumps in {len(items)} slices, {len(pageviews)} page view files"):
        return stage.manifest()
    counts, summary = _count(stage, options, items, pageviews)
    with session.progress("Choose queries", None), tempfile.TemporaryDirectory() as cache:
        opened = None if wordnet is None else open_wordnet(wordnet, Path(cache))
        facts = write(options, counts, choose(options, counts, opened), opened)
    return stage.finish(summary, [storage.join(options.output, artifact.QUERIES)], facts)


def _count(
    stage: Stage, options: VocabOptions, items: list[WorkItem], pageviews: list[str]
) -> tuple[Counts, PartSummary]:
    floors = Floors(
        word=math.ceil(options.min_count / _FLOOR_SHARE),
        bigram=options.min_bigram_count,
        views=math.ceil(options.min_pageviews / _FLOOR_SHARE),
    )
    words = count_words(stage, items, options.redirect_aliases, floors)
    tokens = [item.output for item in items]
    summary = sum_footers(tokens)
    if not summary.rows_out:
        reasons = ", ".join(f"{reason} {rows:,}" for reason, rows in summary.dropped.items())
        named = items[0].inputs[0] + (" and the others" if len(items) > 1 else "")
        raise UserError(f"no article could be read from {named} ({reasons or 'no page'}); download it again")
    total = summary.counters.get(WORDS, 0)
    frequent = frequent_words(words, options.min_count)
    bigrams = schemas.NGRAM.empty_table()
    if options.max_bigrams and frequent.num_rows:
        bigrams = count_bigrams(stage, tokens, frequent, total, floors)
    views = count_views(stage, pageviews, floors)
    return Counts(words, frequent, bigrams, views, total, floors, tuple(tokens)), summary


def _expand(names: Iterable[str]) -> list[str]:
    return [path for name in names for path in storage.expand(name)]


if __name__ == "__main__":
    main_of("pipelines.vocab.build")
