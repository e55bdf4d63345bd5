"""Records: all that log and archive know of one job, stage by stage."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, TypedDict

from checkpoint.events.entry import Entry
from checkpoint.events.event import StageCompleted, StageFailed
from checkpoint.events.freshness import Place
from checkpoint.events.names import check_name
from checkpoint.events.steps import Steps
from checkpoint.query.listing.sources import Sources, ask_sources
from checkpoint.query.listing.summary import JobSummary, Known, summarize
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
    def entries(self) -> list[Entry]:
        """The entries of the latest incarnation."""
        return [one for one in self.history if one.incarnation == self.known.state.incarnation]

    @property
    def summary(self) -> JobSummary:
        """The job in a line."""
        return summarize(self.job, self.known, self.pipelines)


class StageRecord(TypedDict):
    """What is known of one stage of a job."""

    stage: str
    status: str
    """done, failed or pending."""
    at: datetime | None
    """When it was completed, or else failed, last."""
    id: str | None
    """The entry that says so."""
    version: int | None
    took: float | None
    """Seconds that this attempt took; None where nothing tells."""
    is_measured: bool
    """Whether the pipeline said how long it took; else it is the time since the event before."""
    attempts: int
    """How often it was tried, since it was rewound last."""
    bytes: int | None
    """Of the data that it saved."""
    error: str
    """Of the last failure, also of a completed stage: its class and message."""


class Attempt(NamedTuple):
    """An attempt at a stage."""

    entry: Entry
    event: StageCompleted | StageFailed
    took: float | None
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
            took = _gap(before, entry) if not event.took_ms else event.took_ms / 1000
            yield Attempt(entry, event, took, is_measured=bool(event.took_ms))


def _gap(before: Entry | None, entry: Entry) -> float | None:
    """Return the seconds since the event before; what a fork copied tells nothing."""
    if before is None or entry.version != before.version + 1:
        return None
    is_copied = before.id.ms == entry.id.ms
    return None if is_copied else (entry.id.ms - before.id.ms) / 1000


def stage_records(known: Known, entries: Sequence[Entry], pipeline: Pipeline) -> list[StageRecord]:
    """Derive the records of a job's stages: the declared ones in their order, then others."""
    tried: dict[str, list[Attempt]] = {}
    for one in attempts(entries):
        tried.setdefault(one.event.stage, []).append(one)
    stages = dict.fromkeys([*pipeline.stages, *known.state.checkpoints, *known.state.failures])
    return [_stage_record(stage, known, tried.get(stage, ())) for stage in stages]


def _stage_record(stage: str, known: Known, tried: Iterable[Attempt]) -> StageRecord:
    done, failure = known.state.checkpoints.get(stage), known.state.failures.get(stage)
    counts = done or failure
    last = next((one for one in tried if counts and one.entry.id == counts.id), None)
    event = last.event if last else None
    return StageRecord(
        stage=stage,
        status="pending" if counts is None else "done" if counts is done else "failed",
        at=counts.id.time if counts else None,
        id=str(counts.id) if counts else None,
        version=last.entry.version if last else None,
        took=last.took if last else None,
        is_measured=bool(last and last.is_measured),
        attempts=(failure.attempts if failure else 0) + (1 if done else 0),
        bytes=len(event.data) if isinstance(event, StageCompleted) else None,
        error=f"{failure.error}: {failure.message}" if failure else "",
    )
