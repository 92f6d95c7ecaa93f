"""What other caps would keep, from a state alone: `wit balance --sweep`."""

from typing import Any

import numpy as np
from rich.table import Table

from pipelines.passes import Passes
from pipelines.session import Session
from wit_builder import balance, balance_state, storage, thresholds
from wit_builder.balance import Mode
from wit_builder.errors import UserError
from wit_builder.matches import Counts
from wit_builder.parts import list_parts
from wit_builder.transforms.parts import WorkItem
from wit_builder.transforms.passes import CountChosen, MatchSource

_COLUMNS = ("cap", "pairs", "matches_selected", "head_share", "entropy")


def caps_of(text: str) -> list[int]:
    """Read caps separated by commas.

    Raises:
        UserError: one is no whole number of 1 or more.
    """
    words = text.split(",")
    for word in words:
        if not (word.strip().isascii() and word.strip().isdigit() and int(word)):
            raise UserError(f"sweep has the cap {word!r}; use whole numbers of 1 or more, such as 2500,5000")
    return [int(word) for word in words]


def sweep(state: str, caps: list[int], session: Session) -> dict[str, Any]:
    """Tell, for each cap, the pairs it would keep and how matches would be spread.

    A query's smallest matches up to the state's own cap all belong to pairs that the
    state keeps, so for any smaller cap nothing else has to be read.

    Args:
        state: folder that `wit balance --state` made.
        caps: none larger than the state's own.
        session: of the command.

    Raises:
        UserError: there is no state, or a cap is larger than its own.
    """
    generation = balance_state.current(state)
    if generation.name == balance_state.NONE:
        raise UserError(f"{state} holds no state; make one with `wit balance --matches ... --state {state}`")
    facts = generation.facts()
    most = facts["selected_per_query"]
    if max(caps) > most:
        raise UserError(
            f"sweep has the cap {max(caps)}, but {state} was made with {most} per query: pairs beyond that "
            f"were not kept; use caps up to {most}, or balance all matches with a larger cap"
        )
    if session.dry_run:
        session.console.print(f"balance: sweep {caps} over {facts['pairs']:,} pairs", highlight=False)
        return {}
    items = [WorkItem((), part) for part in list_parts(generation.pairs)]
    work = storage.join(state, "sweep")
    passes = Passes(session, work, items, MatchSource("matched_query_ids"), facts["balance_seed"])
    counts = generation.counts()
    rows = [_row(passes, facts["mode"], counts, cap) for cap in caps]
    for path in storage.list_dir(work):
        storage.remove(path)
    _show(session, rows)
    return {"sweep": rows}


def _row(passes: Passes, mode: str, counts: Counts, cap: int) -> dict[str, Any]:
    expected = mode == Mode.EXPECTED
    table = thresholds.expected_table(counts, cap) if expected else passes.exact_table(counts, cap)
    chosen = CountChosen(passes.source, passes.save("thresholds", table), passes.seed, len(counts))
    *selected, pairs = passes.sum(f"Count pairs at cap {cap:,}", chosen).tolist()
    shares = balance.shares(counts, np.array(selected, np.int64), cap)
    figures = (cap, pairs, shares["matches_selected"], shares["head_share_after"], shares["entropy_after"])
    return dict(zip(_COLUMNS, figures, strict=True))


def _show(session: Session, rows: list[dict[str, Any]]) -> None:
    table = Table(*(name.replace("_", " ") for name in _COLUMNS))
    for row in rows:
        table.add_row(*(f"{value:,}" if isinstance(value, int) else f"{value:.4f}" for value in row.values()))
    session.console.print(table)
