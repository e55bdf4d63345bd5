"""The command that keeps looking: watch."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from typing import TypeVar

import click

from checkpoint.events.errors import CheckpointError
from checkpoint.events.freshness import Place
from checkpoint.events.settings import Settings
from checkpoint.events.steps import Steps
from checkpoint.query.history.record import read_record, stage_records
from checkpoint.query.listing.jobs import JobFilter, list_jobs
from checkpoint.query.listing.summary import JobSummary
from checkpoint.query.pipeline import OPEN
from checkpoint.servers import Servers

from .completion import complete_job
from .reporting import as_json, place_of, reported
from .selection import selecting
from .terminal import console, is_terminal, note, plain_value
from .words import done, failure_of, plain, when

JOBS = 200
"""How many jobs are looked at for changes."""
AROUND = 3
"""Lines of a screen that are not jobs."""

T = TypeVar("T")


@click.command()
@click.argument("job", required=False, shell_complete=complete_job)
@selecting
@click.option(
    "--every",
    type=click.FloatRange(0.1, 3600),
    default=1.0,
    show_default=True,
    help="Seconds between two looks.",
)
@as_json
@reported
def watch(job: str | None, wanted: JobFilter, every: float, *, as_json: bool) -> None:
    """Keep looking at JOB, or at the latest jobs, until Ctrl-C.

    On a terminal the picture changes in place; elsewhere there is a line for each change.
    """
    if job is not None and wanted != JobFilter():
        raise click.UsageError("JOB, or options that say which jobs, but not both")
    settings = Settings.from_env()
    with closing(Servers(settings)) as servers, suppress(KeyboardInterrupt):
        place = servers.run(place_of(settings))
        if is_terminal() and not as_json:
            _draw(servers, place, job, wanted, every)
        else:
            _tell(servers, place, job, wanted, every, as_json=as_json)


def _looks(servers: Servers, ask: Callable[[], Steps[T]], every: float) -> Iterator[T | str]:
    """Ask again and again; while a server is away, say so instead."""
    while True:
        try:
            yield servers.run(ask())
        except CheckpointError as error:
            yield str(error)
        time.sleep(every)


def _draw(servers: Servers, place: Place, job: str | None, wanted: JobFilter, every: float) -> None:
    from rich.console import Group, RenderableType  # noqa: PLC0415 - for who draws
    from rich.live import Live  # noqa: PLC0415 - same

    from .sheets import job_sheet, job_table, text  # noqa: PLC0415 - same

    screen = console()

    def job_picture(name: str) -> Steps[list[RenderableType]]:
        record = yield from read_record(place, name)
        if not record.exists:
            return [text(f"There is no job {name!r} yet")]
        pipeline = record.pipelines.get(record.known.state.pipeline, OPEN)
        stages = stage_records(record.known, record.entries, pipeline)
        rows = screen.height - AROUND
        return [*job_sheet(record.summary, stages, datetime.now(UTC), rows), text(record.note)]

    def table_picture() -> Steps[list[RenderableType]]:
        limit = max(1, screen.height - AROUND)
        page = yield from list_jobs(place, wanted, limit=limit)
        return [job_table(page.jobs, datetime.now(UTC), screen.width), text(page.note)]

    picture: list[RenderableType] = []
    with Live(console=screen, auto_refresh=False) as live:
        for seen in _looks(servers, lambda: job_picture(job) if job else table_picture(), every):
            trouble = [text(seen, "red")] if isinstance(seen, str) else []
            picture = picture if isinstance(seen, str) else seen
            live.update(Group(*picture, *trouble), refresh=True)


def _tell(
    servers: Servers,
    place: Place,
    job: str | None,
    wanted: JobFilter,
    every: float,
    *,
    as_json: bool,
) -> None:
    known: dict[str, JobSummary] = {}
    trouble = ""
    for seen in _looks(servers, lambda: _summaries(place, job, wanted), every):
        if isinstance(seen, str):
            note(seen if seen != trouble else "")
            trouble = seen
            continue
        for one in reversed(seen):
            if known.get(one["job_id"]) != one:
                known[one["job_id"]] = one
                click.echo(json.dumps(plain_value(one)) if as_json else _line(one))
        trouble = ""


def _summaries(place: Place, job: str | None, wanted: JobFilter) -> Steps[list[JobSummary]]:
    if job is None:
        return (yield from list_jobs(place, wanted, limit=JOBS)).jobs
    record = yield from read_record(place, job)
    return [record.summary] if record.exists else []


def _line(job: JobSummary) -> str:
    words = [when(job["last_event_at"]), job["job_id"], job["status"], done(job)]
    failure = failure_of(job["error"], job["message"])
    return plain("  ".join([*words, job["stage"] or "-", failure]).rstrip())
