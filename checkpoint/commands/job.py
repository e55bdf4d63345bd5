"""Commands that look at one job: show, explain, history, diff."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, BinaryIO

import click
from msgspec.structs import replace

from checkpoint.events.entry import Entry
from checkpoint.events.event import (
    EventsLost,
    JobClaimed,
    JobDeleted,
    JobForked,
    JobReleased,
    JobRenewed,
    JobRewound,
    StageCompleted,
    StageFailed,
    StageInterrupted,
)
from checkpoint.projector.fold import NOTHING, fold
from checkpoint.query.capsule import read_capsule
from checkpoint.query.history.difference import Difference, difference
from checkpoint.query.history.explain import explain as explained
from checkpoint.query.history.past import NOW, Moment, state_at
from checkpoint.query.history.record import JobRecord, attempts, read_record, stage_records
from checkpoint.query.listing.summary import JobSummary, Known, summarize
from checkpoint.query.lookup import no_such_job
from checkpoint.query.pipeline import OPEN, Pipeline
from checkpoint.query.replay import history_event

from .completion import complete_job
from .reporting import as_json, look, reported
from .terminal import note, say, say_json, write
from .words import change_line, plain, size, times, took_of, when

CHANGES = 3
"""How many places of changed data a line of history names."""

job_name = click.argument("job", shell_complete=complete_job)


def of_pipeline(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say what stages a job is to go through."""
    for option in (
        click.option("--stages", help="The stages in order, as a,b,c, if none are on record."),
        click.option("--pipeline", help="The pipeline, if it is not the one the job was in."),
    ):
        command = option(command)
    return command


@click.command()
@job_name
@of_pipeline
@as_json
@reported
def show(job: str, pipeline: str | None, stages: str | None, *, as_json: bool) -> None:
    """Show how far a job has come, stage by stage."""
    record = _record(job)
    chosen = _pipeline(record, pipeline, stages)
    summary = _as_of(record, chosen) if pipeline or stages else record.summary
    records = stage_records(record.known, record.entries, chosen)
    if as_json:
        say_json({**summary, "stages": records, "notes": record.notes})
        return
    from .sheets import job_sheet  # noqa: PLC0415 - rich

    say(*job_sheet(summary, records, datetime.now(UTC)))


@click.command()
@click.argument("job", required=False, shell_complete=complete_job)
@click.option("--capsule", type=click.File("rb"), help="The job in a capsule; no server is asked.")
@of_pipeline
@as_json
@reported
def explain(
    job: str | None,
    capsule: BinaryIO | None,
    pipeline: str | None,
    stages: str | None,
    *,
    as_json: bool,
) -> None:
    """Say what a run would skip, what it would do, and why; nothing is run."""
    if (job is None) == (capsule is None):
        raise click.UsageError("Name a JOB or a --capsule")
    record = _from_capsule(capsule) if capsule else _record(job or "")
    chosen = _pipeline(record, pipeline, stages)
    plan = explained(record.job, record.known, record.entries, chosen)
    if as_json:
        say_json({**plan, "notes": record.notes})
        return
    from .sheets import plan_sheet  # noqa: PLC0415 - rich

    say(*plan_sheet(plan, datetime.now(UTC)))
    if not plan["is_declared"]:
        known = ", ".join(map(repr, record.pipelines)) or "none"
        note(
            "Which stages the job is to go through is not on record: name a pipeline with "
            f"--pipeline (on record: {known}), or the stages with --stages a,b,c"
        )


@click.command()
@job_name
@as_json
@reported
def history(job: str, *, as_json: bool) -> None:
    """List every event of a job, oldest first, and what each changed."""
    record = _record(job)
    changes = _changes(record.history)
    if as_json:
        pairs = zip(record.history, changes, strict=True)
        events = [{**history_event(entry), "changes": change} for entry, change in pairs]
        say_json({"job_id": job, "events": events, "notes": record.notes})
        return
    took = {
        one.entry.id: took_of(one.took_ms, is_measured=one.is_measured) for one in _tried(record)
    }
    for entry, change in zip(record.history, changes, strict=True):
        spent = took.get(entry.id, "-")
        what = _told(entry, change) + ("" if spent == "-" else f", {spent}")
        write(f"{when(entry.id.time)}  v{entry.version:<4} {plain(what)}\n")


@click.command()
@job_name
@click.argument("a", type=click.IntRange(min=1))
@click.argument("b", type=click.IntRange(min=1))
@as_json
@reported
def diff(job: str, a: int, b: int, *, as_json: bool) -> None:
    """Compare a job as it was at version A with version B."""
    record = _record(job)
    before, after = (
        state_at(record.entries, Moment(version=version), 0).state for version in (a, b)
    )
    found = difference(before, after)
    if as_json:
        named = {"job_id": job, "from_version": a, "to_version": b}
        say_json({**named, **found, "notes": record.notes})
        return
    from .sheets import difference_lines, text  # noqa: PLC0415 - rich

    say(*(difference_lines(found) or [text(f"no difference between versions {a} and {b}")]))


def _record(job: str) -> JobRecord:
    """Read a job's record; exit with 1 where there is no such job."""
    record = look(lambda place: read_record(place, job))
    note(record.note)
    if not record.exists:
        raise no_such_job(job, has_archive=record.has_archive)
    return record


def _from_capsule(file: BinaryIO) -> JobRecord:
    """Read a job's record out of a capsule, as of when it was exported."""
    capsule = read_capsule(file.read())
    exported_ms = round(capsule.header.exported_at.timestamp() * 1000)
    past = state_at(capsule.entries, NOW, exported_ms)
    known = Known(past.state, past.status, past.state.owner)
    return JobRecord(capsule.job, known, {capsule.pipeline.name: capsule.pipeline}, capsule.entries)


def _pipeline(record: JobRecord, name: str | None, stages: str | None) -> Pipeline:
    """Choose the pipeline that was asked for, or else the one that the job was in."""
    wanted = name or record.known.state.pipeline
    if stages is not None:
        return Pipeline(wanted, [stage.strip() for stage in stages.split(",")])
    if name and name not in record.pipelines:
        known = ", ".join(map(repr, record.pipelines)) or "none"
        raise click.ClickException(
            f"The stages of pipeline {name!r} are not on record; on record are: {known}. "
            "Name the stages with --stages a,b,c"
        )
    return record.pipelines.get(wanted, OPEN)


def _as_of(record: JobRecord, pipeline: Pipeline) -> JobSummary:
    """Summarize a job as if it were in a pipeline."""
    state = replace(record.known.state, pipeline=pipeline.name)
    known = record.known._replace(state=state)
    return summarize(record.job, known, {pipeline.name: pipeline})


def _changes(entries: Sequence[Entry]) -> list[Difference]:
    """Return what each entry changed, in each incarnation of the job."""
    found, state = [], NOTHING
    for entry in entries:
        before = state if state.incarnation == entry.incarnation else NOTHING
        state = fold(state, entry)
        found.append(difference(before, state))
    return found


def _tried(record: JobRecord) -> list[Any]:
    lives: dict[Any, list[Entry]] = {}
    for entry in record.history:
        lives.setdefault(entry.incarnation, []).append(entry)
    return [one for entries in lives.values() for one in attempts(entries)]


def _told(entry: Entry, change: Difference) -> str:  # noqa: C901, PLR0911 - one for each type of event
    """Say what an event was and what it changed."""
    match entry.event:
        case StageCompleted(stage=stage, data=data):
            return f"stage_completed  {stage}, {size(len(data))}{_again(change, stage)}"
        case StageFailed(stage=stage, error=error, message=message):
            attempt = change["failed"][stage][1]
            return f"stage_failed     {stage}, failure {attempt}: {error}: {message}"
        case StageInterrupted(stage=stage, reason=reason):
            return f"stage_interrupted {stage}: {reason}"
        case JobRewound(stage=stage):
            return f"job_rewound      to {stage}{_gone(change)}"
        case JobForked(source=source, version=version):
            return f"job_forked       from {source} v{version}"
        case EventsLost(first=first, last=last):
            return f"events_lost      versions {first} to {last}"
        case JobDeleted():
            return f"job_deleted      {_gone(change).removeprefix('; ')}".rstrip()
        case JobClaimed(owner=owner):
            return f"job_claimed      by {owner}"
        case JobRenewed():
            return "job_renewed"
        case JobReleased():
            return "job_released"


def _gone(change: Difference) -> str:
    return f"; gone: {', '.join(change['removed'])}" if change["removed"] else ""


def _again(change: Difference, stage: str) -> str:
    """Say what is new in the data of a stage that was completed before."""
    if (parts := change["changed"].get(stage)) is None:
        return ""
    named = [change_line(part) for part in parts[:CHANGES]]
    more = [f"and {times(len(parts) - CHANGES, 'change')} more"] if len(parts) > CHANGES else []
    return f", again; {'; '.join([*named, *more]) or 'the same data'}"
