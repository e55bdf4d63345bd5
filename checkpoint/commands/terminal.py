"""The terminal: where what commands have to say goes, drawn for people or as it is for programs."""

import json
import os
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

import click
import msgspec

from checkpoint.events.entry_id import EntryId

from .words import plain

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

PIPED_COLUMNS = 1000
"""What goes into a pipe is not cut."""


def is_terminal() -> bool:
    """Say whether somebody watches."""
    return sys.stdout.isatty()


def console(file: TextIO | None = None) -> "Console":
    """Make a console, for a terminal with colours unless NO_COLOR is set; text is no markup."""
    from rich.console import Console  # noqa: PLC0415 - a tenth of a second, for who draws

    return Console(
        file=file or sys.stdout,
        width=None if is_terminal() else PIPED_COLUMNS,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        force_terminal=is_terminal(),
        markup=False,
        emoji=False,
        highlight=False,
    )


def say(*parts: "RenderableType") -> None:
    """Print tables and texts."""
    drawn = console()
    with drawn.capture() as captured:
        for part in parts:
            drawn.print(part, soft_wrap=not is_terminal() and isinstance(part, str))
    write(captured.get())


def write(text: str) -> None:
    """Print text as it is but for spaces at the ends of lines, in any encoding."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    lines = "\n".join(line.rstrip() for line in text.split("\n"))
    click.echo(lines.encode(encoding, "replace").decode(encoding), nl=False, color=True)


def say_json(value: Any) -> None:
    """Print a value as JSON: times in ISO 8601 and UTC, entry ids as Redis writes them."""
    click.echo(json.dumps(plain_value(value), indent=2))


def note(text: str) -> None:
    """Tell, beside what was asked for, on stderr; nothing for an empty text."""
    if text:
        click.echo(plain(text), err=True)


def tell(line: str) -> None:
    """Say what was done. Who does not listen any more does not stop what is still to be done."""
    with suppress(BrokenPipeError):
        click.echo(plain(line))


def confirm(question: str) -> None:
    """Ask whether something is meant; Abort unless somebody at a terminal says yes."""
    if not sys.stdin.isatty():
        note(f"{question} There is no terminal to ask on: --yes does not ask")
        raise click.Abort
    click.confirm(question, abort=True, err=True)


def plain_value(value: Any) -> Any:
    """Turn what json does not know, or would write as a list, into what it writes well."""
    match value:
        case EntryId():
            return str(value)
        case datetime():
            return msgspec.to_builtins(value.astimezone(UTC))
        case dict():
            return {key: plain_value(one) for key, one in value.items()}
        case tuple() if hasattr(value, "_asdict"):
            return plain_value(value._asdict())
        case list() | tuple():
            return [plain_value(one) for one in value]
        case _:
            return value
