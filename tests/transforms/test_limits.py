"""The steps of the limits on files, without Beam: any slicing gives the oracle's pairs."""

import random
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.candidates_steps import LimitSteps
from pipelines.session import Stage
from tests.wit_builder.test_limits import oracle
from wit_builder import keys, schemas
from wit_builder.hashing import uid_of
from wit_builder.limits import LimitOptions
from wit_builder.manifest import sum_footers
from wit_builder.parts import list_parts, part_path, read_table, write_part
from wit_builder.transforms.parts import MakePart, WorkItem

Row = tuple[str, str, str]
"""URL, text and page."""


@dataclass
class InTurn:
    """Makes parts one after the other, in an order of its own."""

    output: str
    order: random.Random

    def build_parts(self, _label: str, make: MakePart, items: Sequence[WorkItem]) -> None:
        make.setup()
        for item in self.order.sample(items, len(items)):
            make.run(item)


def batch_of(rows: Sequence[Row]) -> pa.RecordBatch:
    columns: dict[str, list[Any]] = {
        "uid": [uid_of(url, text) for url, text, _ in rows],
        "url": [url for url, _, _ in rows],
        "text": [text for _, text, _ in rows],
        "page_url": [page for _, _, page in rows],
        "text_source": ["alt"] * len(rows),
        "archive": ["a.warc.gz"] * len(rows),
        "archive_offset": list(range(len(rows))),
    }
    arrays = [
        pa.array(columns.get(field.name, [None] * len(rows)), field.type) for field in schemas.CANDIDATE
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schemas.CANDIDATE)


def limited(
    rows: Sequence[Row], cuts: Sequence[int], options: LimitOptions, order: random.Random
) -> tuple[list[Row], Any]:
    """Write rows as parts, cut anywhere, and give what the steps let stay, and the sum of the footers."""
    edges = [0, *sorted(cuts), len(rows)]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        for name in ("ROWS_PER_ITEM", "LEAST_ROWS_PER_ITEM"):
            patch.setattr(keys, name, 5)
        parts = tuple(
            part_path(f"{folder}/extracted", number, len(edges) - 1) for number in range(len(edges) - 1)
        )
        for part, first, last in zip(parts, edges, edges[1:], strict=False):
            with write_part(part, schemas.CANDIDATE) as writer:
                writer.write(batch_of(rows[first:last]))
        steps = LimitSteps(cast(Stage, InTurn(f"{folder}/out", order)), options, parts)
        steps.run(all_rejects=True)
        found = [read_table(part).to_pylist() for part in list_parts(f"{folder}/out")]
        stay = [(row["url"], row["text"], row["page_url"]) for each in found for row in each]
        return stay, sum_footers(steps.outputs)


ROWS = st.lists(
    st.tuples(
        st.sampled_from([f"http://{host}.org/{n}" for host in "ab" for n in range(5)]),
        st.sampled_from(["dog", "cat", "cow", "shop"]),
        st.sampled_from(["http://p/", "http://q/", "http://r/"]),
    ),
    min_size=12,
    max_size=40,
)
SOME = st.none() | st.integers(1, 4)


@settings(max_examples=25, deadline=None)
@given(
    rows=ROWS,
    cuts=st.lists(st.integers(0, 40), max_size=4),
    most=st.tuples(SOME, SOME, SOME),
    order=st.randoms(use_true_random=False),
)
def test_any_slicing_gives_the_oracles_pairs(
    rows: list[Row], cuts: list[int], most: tuple[int | None, int | None, int | None], order: random.Random
) -> None:
    texts, urls, hosts = most
    options = LimitOptions(
        deduplicate=True, max_text_repeats=texts, max_texts_per_url=urls, max_pairs_per_host=hosts, seed=9
    )
    pairs = {(url, text) for url, text, _ in rows}
    lost = Counter(duplicate_pair=len(rows) - len(pairs))
    for limit in options.limits:
        stay = oracle(pairs, limit)
        lost[limit.reason.value] = len(pairs) - len(stay)
        pairs = stay
    pages = {pair: min(page for *other, page in rows if tuple(other) == pair) for pair in pairs}
    found, summary = limited(rows, [min(cut, len(rows)) for cut in cuts], options, order)
    assert sorted(found) == sorted((*pair, page) for pair, page in pages.items())
    assert (summary.rows_in, summary.rows_out, summary.dropped) == (len(rows), len(pairs), +lost)
