"""Commands for who looks after the servers: doctor, restore."""

import json
import sys

import click

from checkpoint.events.settings import Settings

from .reporting import as_json, reported, run


@click.command()
@as_json
@reported
def doctor(*, as_json: bool) -> None:
    """Look at servers, log, archive, clocks and workers; exit with 1 if something is wrong."""
    from checkpoint.doctor import examine  # noqa: PLC0415 - psycopg, for who needs it

    settings = Settings.from_env()
    findings = run(settings, examine(settings))
    if as_json:
        click.echo(json.dumps([one._asdict() for one in findings], indent=2))
    else:
        for one in findings:
            click.echo(f"{'well ' if one.is_well else 'WRONG'}  {one.subject}: {one.detail}")
    sys.exit(not all(one.is_well for one in findings))


@click.command()
@reported
def restore() -> None:
    """Bring a Redis that lost its log, or its last seconds, up to the archive."""
    from checkpoint.restore import restore as steps  # noqa: PLC0415 - psycopg, for who needs it

    settings = Settings.from_env()
    restored = run(settings, steps(settings.namespace, click.echo))
    for one in restored:
        click.echo(
            f"partition {one.partition}: what was acknowledged as `log` after {one.archived.time} "
            "and is not in the archive is lost"
        )
    click.echo(f"{len(restored)} partitions restored" if restored else "Redis lacks nothing")
