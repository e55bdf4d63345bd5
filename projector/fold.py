"""The fold: what a job's events add up to. Pure; the whole system answers by it.

`view == fold(log) == fold(archive)`: the projector folds slices of the log into views, a resume
point folds a view and the entries that it lacks, replay folds the archive.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from msgspec import Raw, Struct

from checkpoint.events.entry import Entry
from checkpoint.events.entry_id import ZERO, EntryId
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

T = TypeVar("T")
Own = Callable[[dict[str, Any]], dict[str, Any]]


NO_DATA = Raw(b"")
"""In place of a checkpoint's data where a state was read without it."""


class Checkpoint(Struct, frozen=True, gc=False):
    """A completed stage: the entry that says so, and what the stage saved, as it was written."""

    id: EntryId
    version: int
    took_ms: int = 0
    data: Raw = NO_DATA


class Failure(Struct, frozen=True, array_like=True, gc=False):
    """The failures of a stage: how many, and the last one."""

    id: EntryId
    attempts: int
    error: str
    message: str


class JobState(Struct, frozen=True, array_like=True, gc=False):
    """All that is known of one incarnation of a job after its events up to `version`."""

    incarnation: EntryId = ZERO
    version: int = 0
    id: EntryId = ZERO
    """The entry last applied."""
    expires_ms: int = 0
    deleted: bool = False
    pipeline: str = ""
    checkpoints: dict[str, Checkpoint] = {}
    failures: dict[str, Failure] = {}
    owner: str = ""
    token: str = ""
    source: str = ""
    """Of a fork: the job that it began as, and at which version."""


NOTHING = JobState()
"""What is known of a job before its first event."""


def fold(state: JobState, entry: Entry) -> JobState:
    """Apply one entry. An entry that the state already has changes nothing.

    Of an entry without its bytes, the state has no data either.
    """
    return _fold(state, entry, dict)


def fold_all(state: JobState, entries: Iterable[Entry]) -> JobState:
    """Apply entries in the order of the log."""
    given = state
    for entry in entries:
        # what was given is copied; the dicts of its successors are nobody else's
        state = _fold(state, entry, dict if state is given else _same)
    return state


def _same(known: dict[str, T]) -> dict[str, T]:
    return known


def _fold(state: JobState, entry: Entry, own: Own) -> JobState:  # noqa: C901 - a case for each type of event
    """Apply one entry to dicts of which `own` makes some that may be changed."""
    if entry.id <= state.id:
        return state
    before = state if entry.incarnation == state.incarnation else JobState()
    deleted, pipeline, source = before.deleted, before.pipeline, before.source
    checkpoints, failures = own(before.checkpoints), own(before.failures)
    owner, token = before.owner, before.token
    event = entry.event
    match event:
        case StageCompleted():
            data = event.data if entry.encoded else NO_DATA
            done = Checkpoint(entry.id, entry.version, event.took_ms, data)
            checkpoints[event.stage] = done
            pipeline = event.pipeline or pipeline
        case StageFailed():
            known = failures.get(event.stage)
            attempts = known.attempts + 1 if known else 1
            failed = Failure(entry.id, attempts, event.error, event.message)
            failures[event.stage] = failed
            pipeline = event.pipeline or pipeline
        case StageInterrupted():
            pipeline = event.pipeline or pipeline
        case JobRewound():
            checkpoints = _without(checkpoints, event.stages)
            failures = _without(failures, event.stages)
        case JobForked():
            source = f"{event.source} v{event.version}"
        case EventsLost() | JobRenewed():
            pass
        case JobDeleted():
            deleted, checkpoints, failures, owner, token = True, {}, {}, "", ""
        case JobClaimed():
            owner, token = event.owner, str(entry.id)
        case JobReleased():
            owner, token = "", ""
    return JobState(
        incarnation=entry.incarnation,
        version=entry.version,
        id=entry.id,
        expires_ms=entry.id.ms + event.ttl_ms,
        deleted=deleted,
        pipeline=pipeline,
        checkpoints=checkpoints,
        failures=failures,
        owner=owner,
        token=token,
        source=source,
    )


def _without(known: dict[str, T], stages: Iterable[str]) -> dict[str, T]:
    """Leave out what is known of some stages."""
    gone = frozenset(stages)
    return {stage: one for stage, one in known.items() if stage not in gone}
