"""The audit: every event with what the fold says after it, a row each. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import NamedTuple, TypeAlias

from msgspec import Raw, Struct

from checkpoint.events.entry import Entry
from checkpoint.events.event import StageCompleted, StageFailed, type_of
from checkpoint.projector.fold import NOTHING, JobState, fold
from checkpoint.query.lookup import Status
from checkpoint.query.pipeline import OPEN, Pipeline
from checkpoint.query.status import job_status

KEPT_JOBS, MOST_KEPT_JOBS = 500, 8000
"""Jobs whose states are kept before half of them are let go, at first and at most, some 2 KB each:
most events are of a job that had one lately, and what is little stays near the processor."""
FEW_RECALLED = 0.1
"""Of a page's entries. Where more jobs have to be recalled, twice as many are kept from then on."""

Recall: TypeAlias = Callable[[Sequence[Entry]], Mapping[str, JobState]]
"""Finds what jobs were before an entry of each of them, by the job."""

NO_DATA = Raw(b"null")


class AuditRow(Struct, frozen=True, gc=False):
    """One event, and what its job was after it."""

    job_id: str
    id: str
    """Of the entry."""
    time: datetime
    """When Redis made the entry. (DuckDB keeps the word `at` to itself.)"""
    incarnation: str
    version: int
    type: str
    """Of the event, without the number of its form in the log."""
    stage: str | None
    pipeline: str
    """Of the job."""
    data: Raw
    """What a completed stage saved, as it was written."""
    took_ms: int | None
    """How long the stage took, where somebody measured it."""
    error: str | None
    message: str | None
    completed: int
    """How many stages of the job were completed then."""
    status: str
    """running, failed, complete (all declared stages are done) or deleted."""


class Span(NamedTuple):
    """Which events are wanted."""

    since_ms: int = 0
    """From this time on: ms since 1970. When they end is up to who reads them."""
    pipeline: str | None = None
    """Of the jobs that go through this pipeline."""


def states_after(
    pages: Iterable[list[Entry]], recall: Recall | None = None
) -> Iterator[tuple[list[Entry], list[JobState]]]:
    """Fold the log's entries as they come; yield each page with the states after its entries.

    The states of the jobs that went on last are kept, as many as it takes that few have to be
    recalled, up to a limit; the others are recalled if they are needed again. Without a `recall`,
    those of all jobs are kept that are alive at the time of the page.
    """
    states: dict[str, JobState] = {}
    enough, has_forgotten = KEPT_JOBS, False
    for page in pages:
        if recall and has_forgotten and (unknown := _unknown(page, states)):
            states |= recall(unknown)
            if len(unknown) > FEW_RECALLED * len(page):
                enough = min(2 * enough, MOST_KEPT_JOBS)
        after = []
        for entry in page:
            job = entry.event.job
            state = states[job] = fold(states.pop(job, NOTHING), entry)  # now the last of all
            after.append(state)
        yield page, after
        if len(states) > enough:
            states = _kept(states, page[-1].id.ms, enough // 2 if recall else len(states))
            enough = enough if recall else max(KEPT_JOBS, 2 * len(states))
            has_forgotten = True


def _unknown(page: Iterable[Entry], states: Mapping[str, JobState]) -> list[Entry]:
    """Return the first entry of each job whose earlier ones are forgotten."""
    first: dict[str, Entry] = {}
    for entry in page:
        if entry.event.job not in states:
            first.setdefault(entry.event.job, entry)
    return [entry for entry in first.values() if entry.version > 1]


def _kept(states: dict[str, JobState], now_ms: int, most: int) -> dict[str, JobState]:
    """Let go of jobs that are no more, and of those that went on least lately."""
    alive = {job: one for job, one in states.items() if _is_alive(one, now_ms)}
    return dict(islice(alive.items(), max(0, len(alive) - most), None))


def audit(
    pages: Iterable[list[Entry]],
    span: Span,
    pipelines: Mapping[str, Pipeline],
    recall: Recall | None = None,
) -> Iterator[list[AuditRow]]:
    """Replay entries, and turn those that are wanted into rows; see `states_after`."""
    for entries, states in states_after(pages, recall):
        yield [
            _row(entry, state, pipelines)
            for entry, state in zip(entries, states, strict=True)
            if entry.id.ms >= span.since_ms and span.pipeline in (None, state.pipeline)
        ]


def _is_alive(state: JobState, now_ms: int) -> bool:
    return not state.deleted and state.expires_ms > now_ms


def _row(entry: Entry, state: JobState, pipelines: Mapping[str, Pipeline]) -> AuditRow:
    event = entry.event
    return AuditRow(
        job_id=event.job,
        id=str(entry.id),
        time=entry.id.time,
        incarnation=str(entry.incarnation),
        version=entry.version,
        type=type_of(event),
        stage=getattr(event, "stage", None),
        pipeline=state.pipeline,
        data=event.data if isinstance(event, StageCompleted) else NO_DATA,
        took_ms=event.took_ms or None if isinstance(event, StageCompleted | StageFailed) else None,
        error=event.error if isinstance(event, StageFailed) else None,
        message=event.message if isinstance(event, StageFailed) else None,
        completed=len(state.checkpoints),
        status=status_after(state, pipelines),
    )


def status_after(state: JobState, pipelines: Mapping[str, Pipeline]) -> str:
    """Say what a job is just after an event."""
    status = Status.DELETED if state.deleted else Status.LIVE
    return job_status(status, state, pipelines.get(state.pipeline, OPEN))
