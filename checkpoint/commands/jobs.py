"""Commands about many jobs: jobs, delete."""

from contextlib import suppress
from datetime import UTC, datetime

import click

from checkpoint import saves
from checkpoint.core import Core
from checkpoint.events.errors import LogUnavailable
from checkpoint.events.freshness import Place
from checkpoint.events.steps import Steps
from checkpoint.query.listing.jobs import LIMIT, JobFilter, JobPage, Tell, list_jobs
from checkpoint.query.pipeline import OPEN, Pipeline, declared
from checkpoint.travel import to_delete

from .bulk import Plan, Targets, acting, holder_of
from .completion import complete_job
from .progress import looking_back
from .reporting import as_json, look, reported
from .selection import selecting
from .terminal import console, note, say, say_json


@click.command()
@selecting
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=LIMIT,
    show_default=True,
    help="How many jobs at the most.",
)
@click.option("--before", help="Go on where the page before ended; it says with what.")
@as_json
@reported
def jobs(wanted: JobFilter, limit: int, before: str | None, *, as_json: bool) -> None:
    """List the jobs, those with the latest events first."""
    with looking_back() as tell:
        page = look(lambda place: _list(place, wanted, before, limit, tell))
    note(page.note)
    if as_json:
        say_json({"jobs": page.jobs, "next": page.next, "notes": page.note.splitlines()})
        return
    if not page.jobs:
        click.echo("no jobs" if wanted == JobFilter() else "no such jobs")
        return
    from .sheets import job_table  # noqa: PLC0415 - rich

    say(job_table(page.jobs, datetime.now(UTC), console().width))
    if page.next:
        note(f"more: add --before {page.next}")


def _list(
    place: Place, wanted: JobFilter, before: str | None, limit: int, tell: Tell
) -> Steps[JobPage]:
    """List jobs; UnknownStage where the pipeline that was named has no such stage."""
    pipelines: dict[str, Pipeline] = {}
    if wanted.pipeline:
        with suppress(LogUnavailable):  # then nobody knows the stages
            pipelines = yield from declared(place.namespace)
            if wanted.stage:
                pipelines.get(wanted.pipeline, OPEN).check(wanted.stage)
    page = yield from list_jobs(place, wanted, before=before, limit=limit, tell=tell)
    if wanted.pipeline and wanted.pipeline not in pipelines and not page.jobs:
        on_record = ", ".join(map(repr, pipelines)) or "none"
        known = f"No pipeline {wanted.pipeline!r} is on record; on record are: {on_record}"
        page = page._replace(note="\n".join(filter(None, [page.note, known])))
    return page


@click.command()
@click.argument("names", nargs=-1, metavar="JOB... | --all", shell_complete=complete_job)
@acting
@reported
def delete(targets: Targets) -> None:
    """Forget the checkpoints of jobs; their ids begin new lives.

    Shows what would be forgotten, and asks.
    """

    def plan(core: Core, job: str) -> Steps[Plan]:
        state = yield from to_delete(core, job)
        if state is None:
            return Plan("has no live checkpoints", None)
        if targets.dry_run and (holder := (yield from holder_of(core, job))):
            return Plan(f"claimed by {holder}: it would be refused", None)
        failed = (f"{stage} (failed)" for stage in state.failures if stage not in state.checkpoints)
        forgotten = ", ".join([*state.checkpoints, *failed])
        version = state.version if targets.in_bulk else None
        return Plan(
            f"forgets {forgotten or 'that it began'}",
            lambda: saves.delete(core, job, version=version),
        )

    targets.act(targets.jobs("JOB..., or --all"), plan, asks=True)
