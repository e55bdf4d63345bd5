"""Commands about dead letters: entries that are no events, or that the archive refuses."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from checkpoint.events.errors import ArchiveNotConfigured
from checkpoint.events.settings import Settings
from checkpoint.events.steps import AskArchive, Steps

from .reporting import as_json, place_of, reported, run
from .terminal import confirm, say_json, tell
from .words import plain, times, when

if TYPE_CHECKING:
    from checkpoint.snapshotter.dead_letters import Burial


@click.group()
def deadletters() -> None:
    """Entries that are no events: list, show, retry, discard. They are named PARTITION:MS-SEQ."""


@deadletters.command(name="list")
@as_json
@reported
def list_all(*, as_json: bool) -> None:
    """List the dead letters, newest first."""
    from checkpoint.snapshotter.dead_letters import find  # noqa: PLC0415 - psycopg

    found: list[Burial] = _ask(find)[::-1]
    if as_json:
        say_json({"dead_letters": [_described(buried) for buried in found]})
        return
    if not found:
        click.echo("no dead letters")
    for buried in found:
        click.echo(f"{_name(buried)}  {when(buried.at)}  {plain(buried.letter.reason)}")


@deadletters.command()
@click.argument("name")
@as_json
@reported
def show(name: str, *, as_json: bool) -> None:
    """Show an entry's fields as they stand in the log, and why it is no event."""
    buried = _find(name)
    if as_json:
        say_json(_described(buried))
        return
    click.echo(f"{_name(buried)}: {plain(buried.letter.reason)}")
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
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
@reported
def discard(names: Sequence[str], *, yes: bool) -> None:
    """Forget dead letters; nothing brings their bytes back."""
    from checkpoint.snapshotter import dead_letters  # noqa: PLC0415 - psycopg

    letters = [_find(name) for name in dict.fromkeys(names)]
    if not yes:
        what = names[0] if len(letters) == 1 else times(len(letters), "dead letter")
        confirm(f"Discard {what}?")
    for buried in letters:
        _ask(partial(dead_letters.discard, buried=buried))
        tell(f"{_name(buried)}: discarded")


def _ask(question: Callable[[Any], Any]) -> Any:
    settings = Settings.from_env()

    def steps() -> Steps[Any]:
        if settings.postgres_url is None:
            raise ArchiveNotConfigured
        yield from place_of(settings)
        return (yield AskArchive(question))

    return run(settings, steps())


def _find(name: str) -> "Burial":
    from checkpoint.snapshotter.dead_letters import find, parse_name  # noqa: PLC0415 - psycopg

    try:
        only = parse_name(name)
    except ValueError:
        raise click.BadParameter(f"{name!r} is not PARTITION:MS-SEQ, as `list` shows it") from None
    found: list[Burial] = _ask(lambda archive: find(archive, only))
    if not found:
        raise click.ClickException(f"There is no dead letter {name}")
    return found[0]


def _described(buried: "Burial") -> dict[str, Any]:
    """Describe a dead letter as JSON can; bytes beyond ASCII are written as escapes."""
    fields = [bytes(one).decode("ascii", "backslashreplace") for one in buried.letter.fields]
    return {
        "name": _name(buried),
        "partition": buried.partition,
        "id": buried.letter.id,
        "time": buried.at,
        "reason": buried.letter.reason,
        "fields": fields,
    }


def _name(buried: "Burial") -> str:
    return f"{buried.partition}:{buried.letter.id}"
