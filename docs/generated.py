"""The parts of the site that are generated: the reference, the command line's help, the settings.

A hook of MkDocs. It puts its texts in place of `<!-- generated: NAME -->`, and shows mkdocstrings
the packages as they are installed.
"""  # noqa: INP001 - MkDocs loads it by its path

import re
import shutil
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import Field, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import griffe
from mkdocs.plugins import event_priority

from checkpoint.cli import main
from checkpoint.events.settings import LIMITS, VARIABLES, Settings

ROOT = Path(__file__).resolve().parents[1]
WIDTH = 88
SERVERS = {"redis_url": "REDIS_URL", "postgres_url": "POSTGRES_URL"}

_MARK = re.compile(r"<!-- generated: (\w+) -->")
_INSTALLED = TemporaryDirectory(prefix="checkpoint-docs-")


@event_priority(100)  # mkdocstrings reads its options at this event too
def on_config(config: Any) -> None:
    """Copy the packages to where they are when installed: who reads them follows no finder."""
    described = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for name, folder in described["tool"]["setuptools"]["package-dir"].items():
        target = Path(_INSTALLED.name, *name.split("."))
        shutil.copytree(ROOT / folder, target, dirs_exist_ok=True)
    config.plugins["mkdocstrings"].config.handlers["python"]["paths"] = [_INSTALLED.name]


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill in what a page leaves to be generated; KeyError for what nobody generates."""
    return _MARK.sub(lambda mark: GENERATORS[mark[1]](), markdown)


def commands() -> str:
    """Write the help of every command, by the sections of `checkpoint --help`."""
    root = click.Context(
        main, info_name="checkpoint", terminal_width=WIDTH, **main.context_settings
    )
    parts = [_help(root)]
    for title, names in main.sections.items():
        parts.append(f"## {title}")
        for name in names:
            parts += _described(main.commands[name], name, root)
    return "\n\n".join(parts)


def _described(command: click.Command, name: str, parent: click.Context) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent, terminal_width=WIDTH)
    yield f"{'#' * (2 + context.command_path.count(' '))} {context.command_path}"
    yield _help(context)
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            yield from _described(command.commands[inner], inner, context)


def _help(context: click.Context) -> str:
    return f"```text\n{context.command.get_help(context)}\n```"


def settings() -> str:
    """Write a row for each setting: its variable, its field, its default, and what it is."""
    known = griffe.load("checkpoint.events.settings", search_paths=[_INSTALLED.name])["Settings"]
    rows = ["| Variable, and field of `Settings` | Default | Meaning |", "| --- | --- | --- |"]
    return "\n".join([*rows, *(_row(field, known[field.name]) for field in fields(Settings))])


def _row(field: Field[Any], known: griffe.Object | griffe.Alias) -> str:
    variable = SERVERS.get(field.name) or VARIABLES[field.name][0]
    meaning = " ".join(known.docstring.value.split()) if known.docstring else ""
    if field.name in LIMITS:
        low, high = LIMITS[field.name]
        meaning += f" From {low:,} to {high:,.0f}."
    return f"| `{variable}`<br>`{field.name}` | `{field.default}` | {meaning.strip()} |"


GENERATORS: dict[str, Callable[[], str]] = {"commands": commands, "settings": settings}
