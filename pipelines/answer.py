"""What a verb that only looks has to say: for people, for pipes and as JSON.

On a terminal an answer is tables and colours; in a pipe it is plain text, a row a
line with tabs between the cells below a line of column names, so that grep, cut and
sort can go on with it; with `--json` it is one line of JSON.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

JSON_HELP = "Print JSON."

_BAR_WIDTH = 30
_MARK_STYLE = "bold black on yellow"


@dataclass(frozen=True, slots=True)
class Listing:
    """Rows under the names of their columns."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[object]]
    bars: bool = False
    """Draw the numbers of the last column, too, on a terminal."""


@dataclass(frozen=True, slots=True)
class Marked:
    """A text with some of its parts marked: in colour, in a pipe by [brackets]."""

    text: str
    spans: Sequence[tuple[int, int]]
    """First sign of each part and the one behind its last; sorted, none overlap."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a verb found out."""

    facts: Mapping[str, Any]
    """All of it, for `--json`."""
    shown: Sequence[str | Listing | Marked]
    """What people see, from top to bottom."""


def show(answer: Answer, as_json: bool) -> None:
    """Print an answer to standard output."""
    console = Console(highlight=False)
    if as_json and console.is_terminal:
        console.print_json(json.dumps(answer.facts))
    elif as_json:
        sys.stdout.write(json.dumps(answer.facts, ensure_ascii=False) + "\n")
    elif console.is_terminal:
        console.print(Group(*map(_drawn, answer.shown)))
    else:
        sys.stdout.write("".join(_plain(part, first=not at) for at, part in enumerate(answer.shown)))


def _drawn(part: str | Listing | Marked) -> RenderableType:
    if isinstance(part, str):
        return Text(part)
    if isinstance(part, Marked):
        text = Text(part.text)
        for start, end in part.spans:
            text.stylize(_MARK_STYLE, start, end)
        return text
    table = Table(title=part.title, title_justify="left")
    for number, name in enumerate(part.columns):
        right = bool(part.rows) and all(isinstance(row[number], int | float | None) for row in part.rows)
        table.add_column(name, justify="right" if right else "left")
    if part.bars:
        table.add_column()
        most = max((int(str(row[-1])) for row in part.rows), default=1)
    for row in part.rows:
        bar = ["\u2588" * round(int(str(row[-1])) / most * _BAR_WIDTH)] if part.bars else []
        table.add_row(*(Text(_readable(cell)) for cell in row), *bar)
    return table


def _readable(cell: object) -> str:
    if isinstance(cell, int):
        return f"{cell:,}"
    return f"{cell:.2f}" if isinstance(cell, float) else _cell(cell)


def _plain(part: str | Listing | Marked, *, first: bool) -> str:
    if isinstance(part, str):
        return f"{part}\n"
    if isinstance(part, Marked):
        return f"{_bracketed(part)}\n"
    lines = ["\t".join(map(_cell, row)) for row in (part.columns, *part.rows)]
    return "".join(f"{line}\n" for line in (lines if first else ["", *lines]))


def _cell(value: object) -> str:
    return "" if value is None else " ".join(str(value).split("\t"))


def _bracketed(marked: Marked) -> str:
    pieces, behind = [], 0
    for start, end in marked.spans:
        pieces += [marked.text[behind:start], f"[{marked.text[start:end]}]"]
        behind = end
    return "".join([*pieces, marked.text[behind:]])
