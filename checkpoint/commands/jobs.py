"""Commands about many jobs: jobs, delete."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

import click

from checkpoint.events.errors import LogUnavailable
from checkpoint.events.freshness import Place
from checkpoint.events.names import check_name
from checkpoint.events.settings import Settings
from checkpoint.events.steps import Steps
from checkpoint.manager import CheckpointManager
from checkpoint.query.listing.jobs import LIMIT, JobFilter, JobPage, list_jobs
from checkpoint.query.lookup import Status, look_up_past, no_such_job
from checkpoint.query.pipeline import OPEN, Pipeline, declared

from .completion import complete_job
from .reporting import as_json, look, looking, reported, run
from .selection import selecting
from .terminal import confirm, console, note, say, say_json, tell
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
    pipelines: dict[str, Pipeline] = {}
    if wanted.pipeline:
        with suppress(LogUnavailable):  # then nobody knows the stages
            pipelines = yield from declared(place.namespace)
            if wanted.stage:
                pipelines.get(wanted.pipeline, OPEN).check(wanted.stage)
    page = yield from list_jobs(place, wanted, before=before, limit=limit)
    if wanted.pipeline and wanted.pipeline not in pipelines and not page.jobs:
        on_record = ", ".join(map(repr, pipelines)) or "none"
        known = f"No pipeline {wanted.pipeline!r} is on record; on record are: {on_record}"
        page = page._replace(note="\n".join(filter(None, [page.note, known])))
    return page


@click.command()
@click.argument("names", metavar="JOB...", nargs=-1, required=True, shell_complete=complete_job)
@click.option("--yes", is_flag=True, help="Do not ask.")
@reported
def delete(names: Sequence[str], *, yes: bool) -> None:
    """Forget the checkpoints of jobs; their ids begin new lives."""
    settings = Settings.from_env()
    known = run(settings, looking(settings, lambda place: _known(place, names)))
    if known and not yes:
        whose = plain(known[0]) if len(known) == 1 else times(len(known), "job")
        confirm(f"Delete the checkpoints of {whose}?")
    with CheckpointManager(settings) as manager:
        for job in known:
            deleted = manager.delete_job_checkpoints(job)
            tell(f"{job}: {'deleted' if deleted else 'had no live checkpoints'}")
    sys.exit(len(known) < len(names))


def _known(place: Place, names: Sequence[str]) -> Steps[list[str]]:
    """Return the jobs of which anything is known, and say which are not."""
    known = []
    for job in names:
        answer = yield from look_up_past(place, check_name("job", job))
        if answer.status is Status.UNKNOWN:
            note(f"Error: {no_such_job(job, has_archive=place.has_archive)}")
        else:
            known.append(job)
    return known
