"""Commands for who looks after the servers: doctor, lag, migrate, restore."""

import sys

import click

from checkpoint.events.settings import Settings
from checkpoint.events.steps import AskArchive, Steps
from checkpoint.query.lag import measure_lag

from .reporting import as_json, look, reported, run
from .terminal import say, say_json
from .words import plain


@click.command()
@as_json
@reported
def doctor(*, as_json: bool) -> None:
    """Look at servers, log, archive, clocks and workers; exit with 1 if something is wrong."""
    from checkpoint.doctor import examine  # noqa: PLC0415 - psycopg, for who needs it

    settings = Settings.from_env()
    findings = run(settings, examine(settings))
    is_well = all(one.is_well for one in findings)
    if as_json:
        say_json({"is_well": is_well, "findings": findings})
    else:
        for one in findings:
            verdict = "well " if one.is_well else "WRONG"
            click.echo(plain(f"{verdict}  {one.subject}: {one.detail}"))
    sys.exit(not is_well)


@click.command()
@as_json
@reported
def lag(*, as_json: bool) -> None:
    """Show how far projector and snapshotter are behind the log, in every partition."""
    lags = look(lambda place: measure_lag(place.namespace, place.partitions))
    if as_json:
        say_json({"lags": lags})
        return
    from .sheets import lag_table  # noqa: PLC0415 - rich

    say(lag_table(lags))


@click.command()
@click.option(
    "--register",
    is_flag=True,
    help="Where the archive was lost, without a backup: begin another with what the log still has.",
)
@reported
def migrate(*, register: bool) -> None:
    """Bring the archive's schema up to this release, or create it; give its roles their rights.

    A snapshotter that starts does the same with a schema that is there. The user must own it.
    """
    from checkpoint.registration import register as steps  # noqa: PLC0415 - psycopg

    settings = Settings.from_env()
    for name in run(settings, _migrated()):
        click.echo(f"applied {name}")
    if register:
        for number, last in run(settings, steps(settings.namespace)).items():
            click.echo(f"partition {number}: what the log dropped, up to {last}, is not archived")
    version: int = run(settings, _version())
    click.echo(f"the archive has schema version {version}")


def _migrated() -> Steps[list[str]]:
    applied: list[str] = yield AskArchive(lambda archive: archive.migrate())
    return applied


def _version() -> Steps[int]:
    version: int = yield AskArchive(lambda archive: archive.schema_version())
    return version


@click.command()
@reported
def restore() -> None:
    """Restore from the archive a Redis that lost its log, or its last seconds."""
    from checkpoint.restore import restore as steps  # noqa: PLC0415 - psycopg, for who needs it

    settings = Settings.from_env()
    restored = run(settings, steps(settings.namespace, click.echo))
    for one in restored:
        click.echo(
            f"partition {one.partition}: what was acknowledged as `log` after {one.archived.time} "
            "and is not in the archive is lost"
        )
    click.echo(f"{len(restored)} partitions restored" if restored else "Redis lacks nothing")
