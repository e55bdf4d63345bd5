"""The types of event that a log holds: a tagged union of frozen structs.

What a job's every event has: `job`, and `ttl_ms`, how long the job lives after the event, in
milliseconds. When an event happened is its entry's id; its version and incarnation are fields of
the entry, for they are known only to the script that appends it.
"""

from typing import Any

from msgspec import Raw, Struct

DAY_MS = 24 * 60 * 60 * 1000


class Event(Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """What all events have in common. None can be part of a cycle, so gc leaves them alone."""

    job: str
    ttl_ms: int = DAY_MS
    key: str = ""
    """The caller's own idempotency key, if it gave one: it is restored with the job."""


class StageCompleted(Event, frozen=True, tag="stage_completed", kw_only=True, gc=False):
    """A stage is done; `data` is what the pipeline wants back when it resumes."""

    stage: str
    pipeline: str = ""
    data: Raw = Raw(b"{}")


class StageFailed(Event, frozen=True, tag="stage_failed.2", kw_only=True, gc=False):
    """An attempt at a stage ended in an exception of class `error`, which said `message`."""

    stage: str
    pipeline: str = ""
    error: str = ""
    message: str = ""


class JobDeleted(Event, frozen=True, tag="job_deleted", kw_only=True, gc=False):
    """The job's checkpoints are gone; the next event of its id begins a new incarnation."""


class JobClaimed(Event, frozen=True, tag="job_claimed", kw_only=True, gc=False):
    """A worker took the job; the entry's own id is the token of its claim."""

    owner: str
    lease_ms: int


class JobReleased(Event, frozen=True, tag="job_released", kw_only=True, gc=False):
    """The holder of the claim `token` gave the job back."""

    token: str


AnyEvent = StageCompleted | StageFailed | JobDeleted | JobClaimed | JobReleased


def upcast_stage_failed(old: dict[str, Any]) -> dict[str, Any]:
    """Split the single `error` text of the first version, `Class: message`, in two."""
    error, _, message = old.pop("error", "").partition(": ")
    return {**old, "type": "stage_failed.2", "error": error, "message": message}


UPCASTERS = {"stage_failed": upcast_stage_failed}
"""Old tag -> what turns such an event into the next version's form; chains are followed."""
