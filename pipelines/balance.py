"""Matched pairs -> at most so many pairs per query, exactly and repeatably."""

import math
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

from pipelines.balance_steps import BalanceSteps, Cap
from pipelines.balance_sweep import caps_of, sweep
from pipelines.cli import main_of
from pipelines.options import MAX_SEED, REJECTS, REJECTS_HELP, option, require, require_one_of
from pipelines.session import Session, Stage
from vocab.vocabulary import open_vocabulary
from wit_builder import balance, balance_state, manifest, storage
from wit_builder.balance import Mode
from wit_builder.balance_state import NONE, Generation
from wit_builder.errors import UserError
from wit_builder.manifest import require_complete, sum_footers
from wit_builder.parts import list_parts

_MOST_RESERVE = 1_000
_RULES = (
    "vocabulary_digest",
    "queries",
    "mode",
    "max_pairs_per_query",
    "selected_per_query",
    "balance_seed",
)
"""Facts that all updates of a state share."""

_SHOWN_QUERIES = 10


@dataclass(frozen=True, kw_only=True)
class BalanceOptions:
    """Options of `wit balance`."""

    matches: str | None = option("Folder that `wit match` wrote.", None, path=True)
    output: str | None = option("Folder for the chosen pairs.", None, path=True)
    max_pairs_per_query: int = option("At most so many pairs are selected by one query.", 20_000)
    mode: str = option(
        "exact (min(count, cap) pairs of each query), expected (as many on average, MetaCLIP's rule) "
        "or primary (a pair is considered only for its rarest query).",
        "exact",
    )
    seed: int = option("Another seed chooses other pairs.", 0)
    reserve_factor: float = option(
        "Select so many times the cap, for images that will fail; `wit shards` then applies the cap.", 1.0
    )
    rejects: str = option(REJECTS_HELP, "sample")
    state: str | None = option(
        "Folder that remembers earlier crawls, to which these matches are added.", None, path=True
    )
    vocabulary: str | None = option(
        "Folder that `wit vocab build` wrote, to name the queries that lost most.", None, path=True
    )
    sweep: str | None = option(
        "Caps, such as 2500,5000,10000: print what each would keep, from the state alone.", None, path=True
    )

    def __post_init__(self) -> None:
        require_one_of("rejects", self.rejects, REJECTS)
        require_one_of("mode", self.mode, list(Mode))
        require("max_pairs_per_query", self.max_pairs_per_query, 1)
        require("seed", self.seed, 0, MAX_SEED)
        require("reserve_factor", self.reserve_factor, 1, _MOST_RESERVE)
        if self.sweep is not None:
            self._check_sweep(self.sweep)
            return
        for name in ("matches", "output"):
            if getattr(self, name) is None:
                raise UserError(f"option {name} is required; give --{name}")
        if self.state and self.mode == Mode.PRIMARY:
            raise UserError(
                "mode primary takes no state: new matches can change which query of a rejected pair is its "
                "rarest, and what was rejected is not read again; use exact or expected, or balance all "
                "matches at once"
            )

    def _check_sweep(self, caps: str) -> None:
        caps_of(caps)
        if self.state is None:
            raise UserError("sweep reads a state, but there is none; give --state, a folder of earlier runs")
        if self.matches or self.output:
            raise UserError(
                "sweep reads the state alone and writes nothing; leave out --matches and --output"
            )

    @property
    def selected_per_query(self) -> int:
        """Matches that a query selects: the cap and its reserve."""
        return math.ceil(self.max_pairs_per_query * self.reserve_factor)


def run(options: BalanceOptions, session: Session) -> dict[str, Any]:
    """Find duplicates by their keys, count, find thresholds, select.

    Raises:
        UserError: the matches are missing or unfinished, or the state or the vocabulary is another's.
    """
    if options.sweep is not None:
        return sweep(str(options.state), caps_of(options.sweep), session)
    output = str(options.output)
    matches = require_complete(str(options.matches), "match")
    facts = {**matches["facts"], **_rules(options)}
    texts = _query_texts(options.vocabulary, facts.get("vocabulary_digest", ""))
    base = _base(options.state, output)
    inputs = {"matches": matches["fingerprint"], **({"state": base.name} if base else {})}
    stage = Stage("balance", output, options, inputs, session)
    if not stage.begin(f"{matches['counts']['rows_out']:,} matched pairs, mode {options.mode}"):
        return stage.manifest()
    rules = {name: facts.get(name) for name in _RULES}
    rules["semantics"] = matches["options"].get("semantics")
    after = balance_state.successor(base, matches["fingerprint"], rules) if base else None
    steps = _steps(stage, options, base, rules)
    counts, passes = steps.count_distinct(after)
    rule, table = steps.find_rule(counts, passes)
    selected, kept = steps.select(rule, options.rejects == "all")
    report = balance.query_counts(counts, selected, kept, table)
    with storage.write_file(storage.join(output, "query_counts.parquet")) as handle:
        pq.write_table(report, handle, compression="zstd")
    summary = sum_footers(steps.outputs)
    if after:
        steps.remember(after, {**rules, "pairs": summary.rows_out}, report)
    facts |= {**balance.shares(counts, selected, options.max_pairs_per_query), "pairs": summary.rows_out}
    done = stage.finish(summary, steps.outputs, facts, sum(steps.rows))
    steps.clear()
    _show(session, facts)
    for query in balance.lost_most(counts, kept, _SHOWN_QUERIES):
        name = f"{query} {texts[query]}" if texts else str(query)
        line = (
            f"  query {name}: {counts[query]:,} matches, {selected[query]:,} selected, {kept[query]:,} kept"
        )
        session.console.print(line, highlight=False, markup=False, soft_wrap=True)
    return done


def _rules(options: BalanceOptions) -> dict[str, Any]:
    """Give the facts that `wit shards`, `wit check` and a state go by."""
    return {
        "mode": options.mode,
        "max_pairs_per_query": options.max_pairs_per_query,
        "reserve_factor": options.reserve_factor,
        "selected_per_query": options.selected_per_query,
        "balance_seed": options.seed,
    }


def _query_texts(folder: str | None, digest: str) -> list[str]:
    """Read the queries by id; none without a vocabulary.

    Raises:
        UserError: the matches were made with another one.
    """
    if folder is None:
        return []
    require_complete(folder, "vocab")
    vocabulary = open_vocabulary(folder)
    if vocabulary.digest != digest:
        raise UserError(
            f"{folder} is not the vocabulary of these matches (its digest is {vocabulary.digest[:16]}, "
            f"theirs {digest[:16]}); name the one that `wit match` used, or match again"
        )
    return vocabulary.texts


def _base(state: str | None, output: str) -> Generation | None:
    """Find the state's generation to add to: that of an unfinished run, if the output holds one."""
    if state is None:
        return None
    if storage.exists(storage.join(output, manifest.MANIFEST)):
        begun = manifest.read(output)["inputs"].get("state")
        if begun:
            return Generation(state, begun)
    return balance_state.current(state)


def _steps(
    stage: Stage, options: BalanceOptions, base: Generation | None, rules: dict[str, Any]
) -> BalanceSteps:
    """Set out what is read: the pairs that a state keeps, and the matches.

    Raises:
        UserError: the state was made by other rules.
    """
    parts = list_parts(str(options.matches))
    if base and base.name != NONE:
        balance_state.require_same_rules(base.facts(), rules, base.state)
        parts = [*list_parts(base.pairs), *parts]
    cap = Cap(mode=options.mode, most=options.selected_per_query, seed=options.seed, queries=rules["queries"])
    return BalanceSteps(stage, cap, tuple(parts), base if base and base.name != NONE else None)


def _show(session: Session, facts: dict[str, Any]) -> None:
    """Tell what the cap did, for people."""
    lines = [
        f"matches {facts['matches']:,} of {facts['queries_matched']:,} queries; at most "
        f"{facts['max_pairs_per_query']:,} of each: {facts['matches_under_cap']:,}; "
        f"selected {facts['matches_selected']:,}; unique pairs {facts['pairs']:,}",
        f"head ({facts['head_queries']:,} queries over the cap): {facts['head_share_before']:.1%} of matches "
        f"before, {facts['head_share_after']:.1%} after; "
        f"tail: {facts['tail_share_before']:.1%} before, {facts['tail_share_after']:.1%} after",
    ]
    for line in lines:
        session.console.print(f"  {line}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main_of("pipelines.balance")
