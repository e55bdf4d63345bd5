"""The types of event that a log holds: a tagged union of frozen structs.

What a job's every event has: `job`, and `ttl_ms`, how long the job lives after the event, in
milliseconds. When an event happened is its entry's id; its version and incarnation are fields of
the entry, for they are known only to the script that appends it.
"""

from typing import Any

from msgspec import Raw, Struct

DAY_MS = 24 * 60 * 60 * 1000
MESSAGE_CHARACTERS = 2000
"""What a failure's message is cut to."""
TRACEBACK_BYTES = 8 * 1024
"""Maximum size of a failure's traceback: its end is kept."""


class Event(Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """What all events have in common. None can be part of a cycle, so gc leaves them alone."""

    job: str
    ttl_ms: int = DAY_MS
    key: str = ""
    """The caller's own idempotency key, if it gave one: it is restored with the job."""
    trace: str = ""
    """The W3C `traceparent` under which it was appended, if there was one."""


class StageCompleted(Event, frozen=True, tag="stage_completed", kw_only=True, gc=False):
    """A stage is done; `data` is what the pipeline wants back when it resumes."""

    stage: str
    pipeline: str = ""
    took_ms: int = 0
    """How long the stage took, in milliseconds; 0 where nobody measured it."""
    data: Raw = Raw(b"{}")


class StageFailed(Event, frozen=True, tag="stage_failed.2", kw_only=True, gc=False):
    """An attempt at a stage ended in an exception of class `error`, which said `message`."""

    stage: str
    pipeline: str = ""
    took_ms: int = 0
    """How long the attempt took, in milliseconds; 0 where nobody measured it."""
    error: str = ""
    message: str = ""
    traceback: str = ""
    """Its last frames, as Python prints them."""


class StageInterrupted(Event, frozen=True, tag="stage_interrupted", kw_only=True, gc=False):
    """An attempt at a stage was ended from outside: Ctrl-C, an exit, a cancelled task."""

    stage: str
    pipeline: str = ""
    took_ms: int = 0
    """How long the attempt took, in milliseconds; 0 where nobody measured it."""
    reason: str = ""
    """The class of the exception that ended it: KeyboardInterrupt, SystemExit, …"""


class JobDeleted(Event, frozen=True, tag="job_deleted", kw_only=True, gc=False):
    """The job's checkpoints are gone; the next event of its id begins a new incarnation."""


class JobRewound(Event, frozen=True, tag="job_rewound", kw_only=True, gc=False):
    """`stages` are to be done again: `stage`, and what comes after it."""

    stage: str
    stages: tuple[str, ...]


class JobForked(Event, frozen=True, tag="job_forked", kw_only=True, gc=False):
    """A job begins with checkpoints of another, which follow as events of its own.

    Of the job `source` in its life `incarnation` at `version`; `log` is the id of its log, where
    that is another one.
    """

    source: str
    incarnation: str
    version: int
    log: str = ""


class EventsLost(Event, frozen=True, tag="events_lost", kw_only=True, gc=False):
    """Versions `first` to `last` of a life of the job had been acknowledged; Redis lost them.

    Their numbers may have been given again, to what came after the loss.
    """

    incarnation: str
    first: int
    last: int


class JobClaimed(Event, frozen=True, tag="job_claimed", kw_only=True, gc=False):
    """A worker took the job; the entry's own id is the token of its claim."""

    owner: str
    lease_ms: int


class JobRenewed(Event, frozen=True, tag="job_renewed", kw_only=True, gc=False):
    """The holder of the claim `token` was still at work: the job's time to live began again."""

    token: str


class JobReleased(Event, frozen=True, tag="job_released", kw_only=True, gc=False):
    """The holder of the claim `token` gave the job back."""

    token: str


AnyEvent = (
    StageCompleted
    | StageFailed
    | StageInterrupted
    | JobRewound
    | JobForked
    | EventsLost
    | JobDeleted
    | JobClaimed
    | JobRenewed
    | JobReleased
)


def type_of(event: AnyEvent) -> str:
    """Return an event's type as it is shown: the tag without the number of its form in the log."""
    return str(event.__struct_config__.tag).partition(".")[0]


def upcast_stage_failed(old: dict[str, Any]) -> dict[str, Any]:
    """Split the single `error` text of the first version, `Class: message`, in two."""
    error, _, message = old.pop("error", "").partition(": ")
    return {**old, "type": "stage_failed.2", "error": error, "message": message}


UPCASTERS = {"stage_failed": upcast_stage_failed}
"""Old tag -> what turns such an event into the next version's form; chains are followed."""
