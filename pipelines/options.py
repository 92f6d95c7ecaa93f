"""From a dataclass to a command line and to a section of a YAML file.

A stage's options are one frozen dataclass. A field carries its help text in its
metadata; a field that is a dataclass itself is spread out; a field with
`"argument": True` is positional; `"path": True` marks what may move without making
another run of it, `"tuning": True` what only makes it faster or slower;
`"internal": True` is for the program to set.
"""

import dataclasses
import difflib
import inspect
import math
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field
from typing import Annotated, Any, TypeVar

import typer
from rich.markup import escape

from wit_builder.errors import UserError

T = TypeVar("T")

MAX_SEED = 2**64 - 1

_NO_IDENTITY = ("path", "tuning", "internal")

REJECTS = ("sample", "all")
REJECTS_HELP = "Rejected rows to write down: sample (one in 1,000, by hash) or all."


def option(help_text: str, default: Any = MISSING, *, path: bool = False, argument: bool = False) -> Any:
    """Declare a field of an options dataclass.

    Args:
        help_text: one sentence for `--help`.
        default: its value if not given; without one the option is required.
        path: it names a place, so it does not identify the run.
        argument: positional on the command line.
    """
    metadata = {"help": help_text, "path": path, "argument": argument}
    return dataclasses.field(default=default, metadata=metadata)


def require(name: str, value: float, least: float, most: float = math.inf) -> None:
    """Check that an option lies in its range.

    Raises:
        UserError: it does not.
    """
    if not least <= value <= most:
        allowed = f"{least} or more" if most == math.inf else f"{least} to {most}"
        raise UserError(f"{name} is {value}; use {allowed}")


def require_one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    """Check that an option is one of some words.

    Raises:
        UserError: it is not.
    """
    if value not in allowed:
        raise UserError(f"{name} is {value!r}; use one of {', '.join(allowed)}")


def flat_fields(options: type) -> Iterator[tuple[Field[Any], Any]]:
    """List the fields of an options dataclass with their types, nested ones spread out."""
    hints = typing.get_type_hints(options)
    for item in dataclasses.fields(options):
        kind = hints[item.name]
        if dataclasses.is_dataclass(kind):
            yield from flat_fields(typing.cast(type, kind))
        elif not item.metadata.get("internal"):
            yield item, kind


def construct(options: type[T], values: Mapping[str, Any]) -> T:
    """Make options of flat values.

    Args:
        options: the dataclass.
        values: by field name; those not given take their defaults.

    Raises:
        UserError: a name is unknown, a required one is missing, a value has the wrong type.
    """
    known = {item.name: kind for item, kind in flat_fields(options)}
    for name, value in values.items():
        if name not in known:
            name = str(name)
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; use one of {', '.join(sorted(known))}"
            raise UserError(f"unknown option {name}{hint}")
        _check_type(name, value, known[name])
    return _construct(options, values)


def _construct(options: type[T], values: Mapping[str, Any]) -> T:
    hints = typing.get_type_hints(options)
    arguments: dict[str, Any] = {}
    for item in dataclasses.fields(options):  # type: ignore[arg-type]  # T is a dataclass
        kind = hints[item.name]
        if dataclasses.is_dataclass(kind):
            arguments[item.name] = _construct(typing.cast(type, kind), values)
        elif item.name in values:
            value = values[item.name]
            arguments[item.name] = tuple(value) if isinstance(value, list) else value
        elif item.init and item.default is MISSING and item.default_factory is MISSING:
            raise UserError(f"option {item.name} is required; give --{item.name.replace('_', '-')}")
    return options(**arguments)


def _check_type(name: str, value: Any, kind: Any) -> None:
    accepted = [part for part in typing.get_args(kind) if part is not ...] if _is_union(kind) else [kind]
    for part in accepted:
        plain = typing.get_origin(part) or part
        if plain is tuple and isinstance(value, list | tuple) and all(isinstance(v, str) for v in value):
            return
        if plain is float and isinstance(value, int | float) and not isinstance(value, bool):
            if math.isfinite(value):
                return
            continue
        if plain is not tuple and isinstance(value, plain) and not (plain is int and isinstance(value, bool)):
            return
    raise UserError(f"option {name} is {value!r}; it must be {_describe(kind)}")


def _is_union(kind: Any) -> bool:
    return isinstance(kind, types.UnionType)


def _describe(kind: Any) -> str:
    names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
    if _is_union(kind):
        return " or ".join(_describe(part) for part in typing.get_args(kind) if part is not types.NoneType)
    return names.get(kind, "a list of texts")


def identity(options: Any) -> dict[str, Any]:
    """Give the options that decide a stage's output, nested ones by the name of their field."""
    named: dict[str, Any] = {}
    for item in dataclasses.fields(options):
        value = getattr(options, item.name)
        if item.name == "output" or any(map(item.metadata.get, _NO_IDENTITY)):
            continue
        if dataclasses.is_dataclass(value):
            named[item.name] = identity(value)
        else:
            named[item.name] = list(value) if isinstance(value, tuple) else value
    return named


def make_command(
    options: type[T], run: Callable[[T, bool], None], help_text: str, *, plans: bool = True
) -> typer.Typer:
    """Make a command of an options dataclass.

    Args:
        options: the dataclass.
        run: takes the options and whether it is a dry run.
        help_text: what the command does.
        plans: it has a dry run.
    """
    parameters = [_parameter(item, kind) for item, kind in flat_fields(options)]
    dry_run_help = typer.Option("--dry-run", help="Print options and plan; do nothing.")
    dry_run = inspect.Parameter(
        "dry_run", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Annotated[bool, dry_run_help]
    )
    if plans:
        parameters.append(dry_run)

    def command(dry_run: bool = False, **values: Any) -> None:
        given = {name: value for name, value in values.items() if value is not None}
        run(construct(options, given), dry_run)

    command.__doc__ = help_text
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
    app.command()(command)
    return app


def _sentence(text: str) -> str:
    return escape(f"{text[:1].upper()}{text[1:].rstrip('.')}.")


def _parameter(item: Field[Any], kind: Any) -> inspect.Parameter:
    help_text = _sentence(item.metadata.get("help", ""))
    if typing.get_origin(kind) is tuple:
        kind = list[str]
    required = item.default is MISSING and item.default_factory is MISSING
    default: Any = inspect.Parameter.empty
    if not required:
        default = item.default if item.default is not MISSING else typing.cast(Any, item.default_factory)()
        default = list(default) if isinstance(default, tuple) else default
    flag = f"--{item.name.replace('_', '-')}"
    if kind is bool:
        flag = f"{flag}/--no-{flag[2:]}"
    declared = (
        typer.Argument(help=help_text, metavar=item.name.upper())
        if item.metadata.get("argument")
        else typer.Option(flag, help=help_text)
    )
    return inspect.Parameter(
        item.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[kind, declared],
    )
