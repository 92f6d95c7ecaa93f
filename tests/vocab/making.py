"""What a built vocabulary's folder tells of its making."""

from pathlib import Path
from typing import Any

from tests.vocab.ngrams import ngrams
from wit_builder import manifest
from wit_builder.hashing import hash_text
from wit_builder.parts import PartSummary, part_path, write_table

OPTIONS: dict[str, Any] = {
    "min_count": 100,
    "min_bigram_count": 20,
    "max_bigrams": 1000,
    "min_pmi": 3.0,
    "wordnet": "lemmas",
    "min_pageviews": 70,
    "max_queries": 5000,
}
FACTS = {
    "words": 1_000_000,
    "word_floor": 10,
    "bigram_floor": 20,
    "views_floor": 7,
    "lowest_pmi": 4.0,
    "cut_by_max_queries": 31,
}
FREQUENT = {
    "dog": 1200,
    "hot": 1000,
    "day": 10_000,
    "rare": 40,
    "1994": 900,
    "hot dog": 300,
    "dog day": 50,
    "hot day": 100,
    "dog hot": 25,
}
VIEWS = {"alien": 300, "quiet place": 30}


def write(folder: Path, views: dict[str, int] = VIEWS, parts: int = 3, **options: Any) -> str:
    """Write a vocabulary's folder as far as `vocab.making.Making` reads it."""
    path = str(folder)
    manifest.begin(path, "vocab", {**OPTIONS, **options}, {})
    for name, counts in (("frequent", FREQUENT), ("views", views)):
        for part in range(parts):
            some = {text: count for text, count in sorted(counts.items()) if hash_text(text) % parts == part}
            write_table(
                part_path(f"{path}/{name}", part, parts), ngrams(some), PartSummary(len(some), len(some))
            )
    manifest.finish(path, PartSummary(1, 1), [], FACTS)
    return path
