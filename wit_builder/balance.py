"""Balance: at most `cap` pairs per query, exact and repeatable.

Every (pair, query) match has a priority, a seeded hash of uid and query id. A
query selects its `cap` matches of smallest (priority, uid); a pair that any query
selects is kept. So a query with no more than `cap` matches selects them all, and
the table of thresholds, one row a query, is all that a worker needs to decide.

Source of the cap: CLIP (Radford et al. 2021), section 2.2; its effect on head and
tail: MetaCLIP (Xu et al. 2024), section 3.
"""

from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wit_builder import schemas
from wit_builder.matches import Counts, Matches, matches_of, rarest, with_selected
from wit_builder.parts import reasons_where
from wit_builder.records import DropReason
from wit_builder.thresholds import Entries, Mask, chosen_by


class Mode(StrEnum):
    """How thresholds are made, and which matches of a pair can select it."""

    EXACT = "exact"
    """min(count, cap) pairs for each query."""
    EXPECTED = "expected"
    """As many on average: MetaCLIP's rule."""
    PRIMARY = "primary"
    """A pair is considered only for its rarest query."""


class Rule(NamedTuple):
    """What decides about a match."""

    table: Entries
    """Last match of each query, of `thresholds`."""
    seed: int
    """Of the priorities."""
    rarity: Counts | None = None
    """Matches of each query, if a pair is considered only for its rarest one."""


def considered(matches: Matches, rarity: Counts | None) -> Matches:
    """Give the matches that can select a pair: all, or the rarest query's."""
    return matches if rarity is None else rarest(matches, rarity)


def choose(batch: pa.RecordBatch, rule: Rule, column: str = "matched_query_ids") -> Matches:
    """Give the matches of some rows that select them."""
    matches = considered(matches_of(batch, column), rule.rarity)
    return matches.where(chosen_by(matches, rule.table, rule.seed))


def select(batch: pa.RecordBatch, rule: Rule, lost: Mask) -> tuple[pa.RecordBatch, pa.Array]:
    """Choose the pairs that at least one query selects.

    Args:
        batch: n rows in `schemas.MATCHED_PAIR`.
        rule: that decides.
        lost: rows whose uid another row represents, bool of shape (n,).

    Returns:
        The n rows with their selected_query_ids, and n reasons to drop: "duplicate_pair",
        "no_query", "over_cap", or null where a query selects the pair.
    """
    pairs, over = with_selected(batch, choose(batch, rule))
    reasons = reasons_where(over, DropReason.OVER_CAP)
    unmatched = pc.equal(pc.list_value_length(batch.column("matched_query_ids")), 0)
    for rows, reason in ((unmatched, DropReason.NO_QUERY), (pa.array(lost), DropReason.DUPLICATE_PAIR)):
        reasons = pc.if_else(rows, pa.scalar(reason.value), reasons)
    return pairs, reasons


def query_counts(matches: Counts, selected: Counts, kept: Counts, table: Entries) -> pa.Table:
    """Report what balance did to each query, in `schemas.QUERY_COUNT`.

    Args:
        matches: distinct pairs that match each query, int64 of shape (queries,).
        selected: pairs that each query selected.
        kept: pairs in the output that match it.
        table: of thresholds.
    """
    columns = [np.arange(len(matches), dtype=np.int32), matches, selected, kept, table["priority"]]
    return pa.Table.from_arrays([pa.array(column) for column in columns], schema=schemas.QUERY_COUNT)


def shares(counts: Counts, selected: Counts, cap: int) -> dict[str, Any]:
    """Sum up what balance did to head and tail.

    A head query has more matches than the cap. The tail's share of all matches is what
    MetaCLIP (section 3.4) calls p for a cap t.

    Args:
        counts: matches of each query.
        selected: pairs that each query selected.
        cap: of one query.
    """
    head = counts > cap
    before, after = _share(counts, head), _share(selected, head)
    return {
        "matches": int(counts.sum()),
        "matches_under_cap": int(np.minimum(counts, cap).sum()),
        "matches_selected": int(selected.sum()),
        "queries_matched": int((counts > 0).sum()),
        "head_queries": int(head.sum()),
        "head_share_before": before,
        "head_share_after": after,
        "tail_share_before": round(1 - before, 6),
        "tail_share_after": round(1 - after, 6),
        "entropy_before": entropy(counts),
        "entropy_after": entropy(selected),
    }


def _share(counts: Counts, part: Mask) -> float:
    return round(float(counts[part].sum() / max(1, counts.sum())), 6)


def entropy(counts: Counts) -> float:
    """Give the entropy of matches over queries, in bits: log2 of n for n queries with equally many."""
    shares = counts[counts > 0] / max(1, counts.sum())
    return round(float(-(shares * np.log2(shares)).sum()) + 0.0, 4)


def lost_most(counts: Counts, kept: Counts, most: int) -> list[int]:
    """List the ids of the queries with most matches that are not kept, at most `most` of them."""
    lost = counts - kept
    order = np.lexsort((np.arange(len(lost)), -lost))[:most]
    return [int(query) for query in order if lost[query] > 0]
