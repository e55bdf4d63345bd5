"""The fold: what a job's events add up to. Pure; the whole system answers by it.

`view == fold(log) == fold(archive)`: the projector folds slices of the log into views, a resume
point folds a view and the entries that it lacks, replay folds the archive.
"""

from collections.abc import Iterable
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from checkpoint.events.entry import Entry
from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.event import (
    EventsLost,
    JobClaimed,
    JobDeleted,
    JobForked,
    JobReleased,
    JobRewound,
    StageCompleted,
    StageFailed,
)

T = TypeVar("T")


class Checkpoint(Struct, frozen=True, array_like=True, gc=False):
    """A completed stage: the entry that says so, and the event's own bytes.

    `encoded` is empty where a view was read without its events.
    """

    id: EntryId
    version: int
    encoded: bytes = b""


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
    """Apply one entry. An entry that the state already has changes nothing."""
    if entry.id <= state.id:
        return state
    before = state if entry.incarnation == state.incarnation else NOTHING
    return replace(
        before,
        incarnation=entry.incarnation,
        version=entry.version,
        id=entry.id,
        expires_ms=entry.expires_ms,
        **_changes(before, entry),
    )


def fold_all(state: JobState, entries: Iterable[Entry]) -> JobState:
    """Apply entries in the order of the log."""
    for entry in entries:
        state = fold(state, entry)
    return state


def _changes(state: JobState, entry: Entry) -> dict[str, Any]:  # noqa: PLR0911 - one for each type
    """Return the fields that an entry's event sets anew."""
    event = entry.event
    match event:
        case StageCompleted():
            done = Checkpoint(entry.id, entry.version, entry.encoded)
            return {
                "pipeline": event.pipeline or state.pipeline,
                "checkpoints": {**state.checkpoints, event.stage: done},
            }
        case StageFailed():
            known = state.failures.get(event.stage)
            attempts = known.attempts + 1 if known else 1
            failure = Failure(entry.id, attempts, event.error, event.message)
            return {
                "pipeline": event.pipeline or state.pipeline,
                "failures": {**state.failures, event.stage: failure},
            }
        case JobRewound():
            return {
                "checkpoints": _without(state.checkpoints, event.stages),
                "failures": _without(state.failures, event.stages),
            }
        case JobForked():
            return {"source": f"{event.source} v{event.version}"}
        case EventsLost():
            return {}
        case JobDeleted():
            return {"deleted": True, "checkpoints": {}, "failures": {}, "owner": "", "token": ""}
        case JobClaimed():
            return {"owner": event.owner, "token": str(entry.id)}
        case JobReleased():
            return {"owner": "", "token": ""}


def _without(known: dict[str, T], stages: Iterable[str]) -> dict[str, T]:
    """Leave out what is known of some stages."""
    gone = frozenset(stages)
    return {stage: one for stage, one in known.items() if stage not in gone}
