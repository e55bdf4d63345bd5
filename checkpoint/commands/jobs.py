"""Commands about many jobs: jobs, delete."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

import click

from checkpoint.events.errors import LogUnavailable
from checkpoint.events.freshness import Place
from checkpoint.events.settings import Settings
from checkpoint.events.steps import Steps
from checkpoint.manager import CheckpointManager
from checkpoint.query.jobs import LIMIT, JobFilter, JobPage, list_jobs
from checkpoint.query.pipeline import OPEN, declared

from .completion import complete_job
from .reporting import as_json, look, place_of, reported, run
from .selection import selecting
from .terminal import console, is_terminal, note, say, say_json
from .words import plain, times


@click.command()
@selecting
@click.option("--limit", type=click.IntRange(1, 10_000), default=LIMIT, show_default=True)
@click.option("--before", help="Go on where the page before ended; it says with what.")
@as_json
@reported
def jobs(wanted: JobFilter, limit: int, before: str | None, *, as_json: bool) -> None:
    """List the jobs, those with the latest events first."""
    page = look(lambda place: _list(place, wanted, before, limit))
    note(page.note)
    if as_json:
        say_json(page)
        return
    if not page.jobs:
        click.echo("no jobs" if wanted == JobFilter() else "no such jobs")
        return
    from .sheets import job_table  # noqa: PLC0415 - rich

    say(job_table(page.jobs, datetime.now(UTC), console().width))
    if page.next:
        note(f"more: add --before {page.next}")


def _list(place: Place, wanted: JobFilter, before: str | None, limit: int) -> Steps[JobPage]:
    """List jobs; UnknownStage where the pipeline that was named has no such stage."""
    if wanted.pipeline and wanted.stage:
        with suppress(LogUnavailable):  # then nobody knows the stages
            pipelines = yield from declared(place.namespace)
            pipelines.get(wanted.pipeline, OPEN).check(wanted.stage)
    return (yield from list_jobs(place, wanted, before=before, limit=limit))


@click.command()
@click.argument("names", metavar="JOB...", nargs=-1, required=True, shell_complete=complete_job)
@click.option("--yes", is_flag=True, help="Do not ask.")
@reported
def delete(names: Sequence[str], *, yes: bool) -> None:
    """Forget the checkpoints of jobs; their ids begin new lives."""
    settings = Settings.from_env()
    run(settings, place_of(settings))
    if is_terminal() and not yes:
        whose = plain(names[0]) if len(names) == 1 else times(len(names), "job")
        click.confirm(f"Delete the checkpoints of {whose}?", abort=True)
    with CheckpointManager(settings) as manager:
        for job in names:
            deleted = manager.delete_job_checkpoints(job)
            click.echo(f"{plain(job)}: {'deleted' if deleted else 'had no live checkpoints'}")
