"""Random histories of jobs, a log in memory that keeps them, and a model of what they mean."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from hypothesis import strategies as st

from checkpoint.events import codec, payload
from checkpoint.events.append import Request
from checkpoint.events.entry import Entry
from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.event import (
    AnyEvent,
    JobClaimed,
    JobDeleted,
    JobReleased,
    JobRenewed,
    JobRewound,
    StageCompleted,
    StageFailed,
    StageInterrupted,
)
from checkpoint.query.pipeline import Pipeline

JOBS = ("film-1", "film-2", "ünïcode/🎬")
STAGES = ("cut", "mix", "export")
FILM = Pipeline("film", STAGES)
TTL_MS = 60_000

Kind = Literal["complete", "fail", "rewind", "delete", "claim", "renew", "release"]

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(payload.MIN_INT, payload.MAX_INT)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


class Act(NamedTuple):
    """One thing that happens to a job."""

    kind: Kind
    job: str
    stage: str = ""
    data: Any = None


def histories(
    kinds: Sequence[Kind] = (
        "complete",
        "complete",
        "complete",
        "fail",
        "interrupt",
        "rewind",
        "delete",
        "claim",
        "renew",
    ),
    data: st.SearchStrategy[Any] = json_values,
    max_size: int = 30,
) -> st.SearchStrategy[list[Act]]:
    """Draw lists of acts on a few jobs."""
    return st.lists(
        st.builds(
            Act, st.sampled_from(kinds), st.sampled_from(JOBS), st.sampled_from(STAGES), data
        ),
        max_size=max_size,
    )


def request_of(act: Act) -> Request:
    """Make the request that lets an act happen."""
    return Request(event_of(act), kind="delete" if act.kind == "delete" else "append")


def event_of(act: Act, ttl_ms: int = TTL_MS) -> AnyEvent:  # noqa: PLR0911 - one for each kind
    """Make the event that says that an act happened."""
    job, stage = act.job, act.stage
    match act.kind:
        case "complete":
            data = payload.encode(act.data)
            return StageCompleted(job=job, stage=stage, pipeline="film", data=data, ttl_ms=ttl_ms)
        case "fail":
            return StageFailed(job=job, stage=stage, error="OSError", message="no", ttl_ms=ttl_ms)
        case "interrupt":
            return StageInterrupted(job=job, stage=stage, reason="KeyboardInterrupt", ttl_ms=ttl_ms)
        case "rewind":
            return JobRewound(job=job, stage=stage, stages=from_stage(stage), ttl_ms=ttl_ms)
        case "delete":
            return JobDeleted(job=job, ttl_ms=ttl_ms)
        case "claim":
            return JobClaimed(job=job, owner="worker-1", lease_ms=1000, ttl_ms=ttl_ms)
        case "renew":
            return JobRenewed(job=job, token="1-0", ttl_ms=ttl_ms)
        case "release":
            return JobReleased(job=job, token="1-0", ttl_ms=ttl_ms)


def from_stage(stage: str) -> tuple[str, ...]:
    """Return a stage and those that come after it."""
    return STAGES[STAGES.index(stage) :]


@dataclass
class MemoryLog:
    """A log of one partition that numbers entries as the append script does."""

    now_ms: int = 1_700_000_000_000
    entries: list[Entry] = field(default_factory=list)
    _last: dict[str, Entry] = field(default_factory=dict)

    def append(self, event: AnyEvent, pass_ms: int = 0) -> Entry:
        """Add an event `pass_ms` after the one before."""
        self.now_ms += pass_ms
        name = EntryId(self.now_ms, len(self.entries))
        last = self._last.get(event.job)
        lives = (
            last is not None
            and not isinstance(last.event, JobDeleted)
            and last.expires_ms > self.now_ms
        )
        entry = Entry(
            name,
            last.incarnation if last and lives else name,
            last.version + 1 if last and lives else 1,
            event,
            codec.encode(event),
        )
        self._last[event.job] = entry
        self.entries.append(entry)
        return entry

    def of(self, job: str) -> list[Entry]:
        """Return the entries of one job."""
        return [entry for entry in self.entries if entry.event.job == job]


def log_of(acts: Sequence[Act]) -> MemoryLog:
    """Write a history into a log in memory."""
    log = MemoryLog()
    for act in acts:
        log.append(event_of(act))
    return log


@dataclass
class Model:
    """What a user expects of a job after some acts, told without any fold."""

    stages: dict[str, Any] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    incarnation: EntryId = ZERO
    version: int = 0
    deleted: bool = False

    def happen(self, act: Act) -> None:
        """Take note of an act that was accepted."""
        if self.deleted:
            self.stages, self.failures, self.version, self.deleted = {}, {}, 0, False
        self.version += 1
        if act.kind == "complete":
            self.stages[act.stage] = act.data
        elif act.kind == "fail":
            self.failures[act.stage] = self.failures.get(act.stage, 0) + 1
        elif act.kind == "rewind":
            for stage in from_stage(act.stage):
                self.stages.pop(stage, None)
                self.failures.pop(stage, None)
        elif act.kind == "delete":
            self.stages, self.failures, self.deleted = {}, {}, True
