"""Commands that run something: up, worker, health."""

import sys
from pathlib import Path

import click

from checkpoint.events.settings import Settings

from .reporting import as_json, reported
from .terminal import say_json

KIND = click.Choice(["projector", "snapshotter"])


@click.command()
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the servers' data; kept between runs. If it is not the default one, other "
    "commands need the `export` lines that this one prints.",
)
@reported
def up(data: Path | None) -> None:
    """Run Redis, Postgres, both workers and the page here, until Ctrl-C."""
    from checkpoint.up import up as run_up  # noqa: PLC0415 - the servers are an extra

    run_up(data)


@click.command()
@click.argument("kind", type=KIND)
@click.option(
    "--loglevel",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="warning",
    show_default=True,
    help="What goes to stderr, and all that is worse.",
)
@reported
def worker(kind: str, loglevel: str) -> None:
    """Run a worker: the projector keeps the view, the snapshotter the archive."""
    from checkpoint.worker import run_worker  # noqa: PLC0415 - Faust takes a second to import

    run_worker(kind, Settings.from_env(), loglevel)


@click.command()
@click.argument("kind", type=KIND)
@as_json
@reported
def health(kind: str, *, as_json: bool) -> None:
    """Exit with 0 if a worker of that kind on this host had a heartbeat lately, else with 1."""
    from checkpoint.health import is_alive  # noqa: PLC0415 - Redis' driver, for who needs it

    alive = is_alive(kind, Settings.from_env())
    if as_json:
        say_json({"consumer": kind, "is_alive": alive})
    else:
        click.echo(f"{kind}: {'alive' if alive else 'no heartbeat'}")
    sys.exit(not alive)
