"""Commands for who looks after the servers: doctor, lag, restore."""

import sys

import click

from checkpoint.events.settings import Settings
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
