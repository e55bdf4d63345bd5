"""Records: all that log and archive know of one job, stage by stage."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, TypedDict

from checkpoint.events.entry import Entry
from checkpoint.events.entry_id import EntryId
from checkpoint.events.event import JobDeleted, StageCompleted, StageFailed
from checkpoint.events.freshness import Place
from checkpoint.events.names import check_name
from checkpoint.events.steps import Steps
from checkpoint.projector.fold import NOTHING, JobState, fold_all
from checkpoint.query.listing.sources import Sources, ask_sources
from checkpoint.query.listing.summary import JobSummary, Known, summarize
from checkpoint.query.lookup import Status
from checkpoint.query.pipeline import Pipeline


class JobRecord(NamedTuple):
    """A job as it is, and every event of it."""

    job: str
    known: Known
    pipelines: Mapping[str, Pipeline]
    """Those that are on record."""
    history: Sequence[Entry]
    """The entries of all its incarnations, in the order of the log."""
    note: str = ""
    """What was not asked because it is away, and why."""
    has_archive: bool = False
    """Whether an archive was asked."""

    @property
    def exists(self) -> bool:
        """Say whether anything is known of the job."""
        return bool(self.known.state.version)

    @property
    def notes(self) -> list[str]:
        """The note, as programs read it: none, or one."""
        return self.note.splitlines()

    @property
    def entries(self) -> list[Entry]:
        """The entries of the latest incarnation."""
        return [one for one in self.history if one.incarnation == self.known.state.incarnation]

    @property
    def summary(self) -> JobSummary:
        """The job in a line."""
        return summarize(self.job, self.known, self.pipelines)


class StageRecord(TypedDict):
    """What is known of one stage of a job. What there is none of is None."""

    stage: str
    status: str
    """done, failed or pending; deleted or expired where the job is, for it had tried the stage."""
    id: str | None
    """The entry by which it was completed, or else failed, last."""
    version: int | None
    time: datetime | None
    """When that was."""
    took_ms: int | None
    """Milliseconds that this attempt took, as far as something tells."""
    is_measured: bool
    """Whether the pipeline said how long it took; else it is the time since the event before."""
    is_completed: bool
    """Whether it has a checkpoint; or had, where the job is over."""
    bytes: int | None
    """Of the data that it saved."""
    failures: int
    """How often it failed, since it was rewound last."""
    error: str | None
    """Of the last failure, also of a completed stage: its class."""
    message: str | None
    """And what it said."""


class Attempt(NamedTuple):
    """An attempt at a stage."""

    entry: Entry
    event: StageCompleted | StageFailed
    took_ms: int | None
    is_measured: bool


def read_record(place: Place, job: str) -> Steps[JobRecord]:
    """Read all that is known of a job. InvalidName, LogUnavailable, LogNotReady."""
    check_name("job", job)
    record, note = yield from ask_sources(place, lambda sources: _read(sources, job))
    return record._replace(note=note)


def _read(sources: Sources, job: str) -> Steps[JobRecord]:
    known = (yield from sources.look_up([job]))[job]
    pipelines = yield from sources.pipelines()
    history = yield from sources.history(job)
    return JobRecord(job, known, pipelines, history, has_archive=sources.place.has_archive)


def attempts(entries: Sequence[Entry]) -> Iterator[Attempt]:
    """Yield the attempts of one incarnation, in the order of the log."""
    for before, entry in zip([None, *entries], entries, strict=False):
        event = entry.event
        if isinstance(event, StageCompleted | StageFailed):
            took_ms = event.took_ms or _gap_ms(before, entry)
            yield Attempt(entry, event, took_ms, is_measured=bool(event.took_ms))


def _gap_ms(before: Entry | None, entry: Entry) -> int | None:
    """Return the time since the event before; what a fork copied tells nothing."""
    if before is None or entry.version != before.version + 1:
        return None
    return entry.id.ms - before.id.ms or None


def stage_records(known: Known, entries: Sequence[Entry], pipeline: Pipeline) -> list[StageRecord]:
    """Derive the records of a job's stages: the declared ones in their order, then others.

    Those of a job that is over are what it had: nothing of it is still to come.
    """
    state = _before_deletion(known.state, entries)
    tried = {one.entry.id: one for one in attempts(entries)}
    over = "" if known.status is Status.LIVE else known.status.value
    names = pipeline.in_order(dict.fromkeys([*state.checkpoints, *state.failures]))
    stages = names if over else dict.fromkeys([*pipeline.stages, *names])
    return [_stage_record(stage, state, tried, over) for stage in stages]


def _before_deletion(state: JobState, entries: Sequence[Entry]) -> JobState:
    """Return what a job had: a deleted one before it was deleted."""
    if not state.deleted:
        return state
    return fold_all(NOTHING, (one for one in entries if not isinstance(one.event, JobDeleted)))


def _stage_record(
    stage: str, state: JobState, tried: Mapping[EntryId, Attempt], over: str
) -> StageRecord:
    done, failure = state.checkpoints.get(stage), state.failures.get(stage)
    counts = done or failure
    last = tried.get(counts.id) if counts else None
    event = last.event if last else None
    return StageRecord(
        stage=stage,
        status=over or ("pending" if counts is None else "done" if counts is done else "failed"),
        id=str(counts.id) if counts else None,
        version=done.version if done else last.entry.version if last else None,
        time=counts.id.time if counts else None,
        took_ms=last.took_ms if last else None,
        is_measured=bool(last and last.is_measured),
        is_completed=done is not None,
        bytes=len(event.data) if isinstance(event, StageCompleted) else None,
        failures=failure.attempts if failure else 0,
        error=failure.error if failure else None,
        message=failure.message if failure else None,
    )
