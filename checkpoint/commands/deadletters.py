"""Commands about dead letters: entries that are no events, or that the archive refuses."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from checkpoint.events.entry_id import EntryId
from checkpoint.events.settings import Settings
from checkpoint.events.steps import AskArchive, Steps

from .reporting import reported, run

if TYPE_CHECKING:
    from checkpoint.snapshotter.dead_letters import Burial


@click.group()
def deadletters() -> None:
    """Entries that are no events: list, show, retry, discard. They are named PARTITION:MS-SEQ."""


@deadletters.command(name="list")
@reported
def list_all() -> None:
    """List the dead letters, oldest first."""
    from checkpoint.snapshotter.dead_letters import find  # noqa: PLC0415 - psycopg

    found = _ask(find)
    if not found:
        click.echo("no dead letters")
    for buried in found:
        click.echo(f"{_name(buried)}  {buried.at:%F %T %Z}  {buried.letter.reason}")


@deadletters.command()
@click.argument("name")
@reported
def show(name: str) -> None:
    """Show an entry's fields as they stand in the log, and why it is no event."""
    buried = _find(name)
    click.echo(f"{_name(buried)}: {buried.letter.reason}")
    for field in buried.letter.fields:
        click.echo(f"  {bytes(field)!r}")


@deadletters.command()
@click.argument("name")
@reported
def retry(name: str) -> None:
    """Make an event of an entry after all, as after an upgrade that can read it."""
    from checkpoint.snapshotter import dead_letters  # noqa: PLC0415 - psycopg

    buried = _find(name)
    _ask(lambda archive: dead_letters.retry(archive, buried))
    click.echo(f"{_name(buried)}: archived")


@deadletters.command()
@click.argument("name")
@reported
def discard(name: str) -> None:
    """Forget a dead letter."""
    from checkpoint.snapshotter import dead_letters  # noqa: PLC0415 - psycopg

    buried = _find(name)
    _ask(lambda archive: dead_letters.discard(archive, buried))
    click.echo(f"{_name(buried)}: discarded")


def _ask(question: Callable[[Any], Any]) -> Any:
    def steps() -> Steps[Any]:
        return (yield AskArchive(question))

    return run(Settings.from_env(), steps())


def _find(name: str) -> "Burial":
    from checkpoint.snapshotter.dead_letters import find  # noqa: PLC0415 - psycopg

    partition, _, entry = name.partition(":")
    try:
        only = int(partition), EntryId.parse(entry)
    except ValueError:
        raise click.BadParameter(f"{name!r} is not PARTITION:MS-SEQ, as `list` shows it") from None
    found: list[Burial] = _ask(lambda archive: find(archive, only))
    if not found:
        raise click.ClickException(f"There is no dead letter {name}")
    return found[0]


def _name(buried: "Burial") -> str:
    return f"{buried.partition}:{buried.letter.id}"
