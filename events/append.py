"""Appending: requests to the append script as plain values, and what its answers mean.

One call carries any number of events of one partition, checks them all, and appends all or none.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from random import getrandbits
from typing import Any, Literal, NamedTuple

import msgspec

from . import codec
from .entry_id import EntryId
from .errors import (
    CheckpointError,
    IncarnationEnded,
    JobClaimed,
    LogNotReady,
    StaleClaim,
    VersionConflict,
)
from .event import AnyEvent, JobRewound, StageCompleted
from .keys import PartitionKeys, partition_of
from .script import Argument, Call, Script

APPEND = Script.load("checkpoint.events", "append")
RENEW = Script.load("checkpoint.events", "renew")

Kind = Literal["append", "rewind", "fork", "delete", "claim", "steal", "release"]


def _made_up_key() -> str:
    return f"{getrandbits(64):x}"


class Appended(NamedTuple):
    """Where an event stands in the log."""

    job: str
    id: EntryId
    version: int
    incarnation: EntryId
    repeated: bool
    """The log had the event already: this request repeats one that was answered before."""
    spooled: int = 0
    """The event's number in the spool where Redis was away: it is not in the log yet, and has
    neither id (0-0) nor version (0). `wait_until_durable` waits for it all the same."""


@dataclass(frozen=True, slots=True)
class Request:
    """One event to append, and what must be true of its job for that."""

    event: AnyEvent
    kind: Kind = "append"
    key: str | None = None
    token: str = ""
    expected_version: int | None = None
    incarnation: EntryId | None = None
    owner: str = ""
    lease_ms: int | None = None
    call_key: str = field(default_factory=_made_up_key)

    @property
    def guards(self) -> list[Argument]:
        """The token, version and incarnation that the script compares with the job's head."""
        expected = "" if self.expected_version is None else self.expected_version
        return [self.token, expected, str(self.incarnation or "")]

    def arguments(self, *, retry: bool) -> list[Argument]:
        """Return the event's part of the script's arguments."""
        scope = "job" if self.key is not None else "retry" if retry else "call"
        lease = "" if self.lease_ms is None else self.lease_ms
        return [
            self.kind,
            codec.encode(self.event),
            self.event.ttl_ms,
            self.call_key if self.key is None else self.key,
            scope,
            self.owner,
            lease,
            self._stage,
        ]

    @property
    def _stage(self) -> Argument:
        """The stage whose key this is, or the stages whose keys it forgets."""
        match self.event:
            case StageCompleted(stage=stage, key=key) if key:
                return stage
            case JobRewound(stages=stages) if self.kind == "rewind":
                return msgspec.json.encode(stages)
            case _:
                return ""


class Batch(NamedTuple):
    """The requests of one partition, in the order in which the script answers them."""

    partition: PartitionKeys
    requests: Sequence[Request]

    def call(self, *, retry: bool) -> Call:
        """Make the call; with `retry` the log looks for what a first call may have left."""
        jobs: dict[str, list[Request]] = {}
        for request in self.requests:
            jobs.setdefault(request.event.job, []).append(request)
        keys: list[str] = [self.partition.meta, self.partition.log]
        arguments: list[Argument] = []
        for job, requests in jobs.items():
            keys += self.partition.job(job)
            arguments += [*requests[0].guards, len(requests)]
            for request in requests:
                arguments += request.arguments(retry=retry)
        return Call(APPEND.for_log(self.partition.namespace), keys, arguments)

    def read(self, reply: Sequence[Any]) -> "Answer":
        """Turn the script's reply into where each event stands, or raise what it refused."""
        if reply[0] != b"OK":
            jobs = list(dict.fromkeys(request.event.job for request in self.requests))
            raise refusal(jobs, *reply)
        rows = zip(reply[2::4], reply[3::4], reply[4::4], reply[5::4], strict=True)
        appended = [
            Appended(
                request.event.job, EntryId.parse(name), version, EntryId.parse(born), bool(again)
            )
            for request, (name, version, born, again) in zip(self.requests, rows, strict=True)
        ]
        return Answer(self.partition.partition, reply[1], appended)


class Answer(NamedTuple):
    """What the log answered to a batch."""

    partition: int
    fence_ms: int
    """Since when Redis has lost nothing of the partition: ms since 1970, 0 for always."""
    appended: list[Appended]


def refusal(
    jobs: Sequence[str], code: bytes, number: int = 0, *details: bytes | int
) -> CheckpointError:
    """Turn what a script refused into the error that says so; jobs are numbered from 1."""
    if code == b"LOGNOTREADY":
        return LogNotReady()
    known = [one.decode() if isinstance(one, bytes) else one for one in details]
    return _REFUSALS[code](jobs[number - 1], *known)


def renew(partition: PartitionKeys, job: str, token: str, lease_ms: int) -> Call:
    """Make a claim's lease run `lease_ms` from now, unless the claim is over."""
    script = RENEW.for_log(partition.namespace)
    return Call(script, [partition.meta, partition.job(job).head], [token, lease_ms])


def _job_claimed(job: str, owner: str, left_ms: int) -> CheckpointError:
    left = left_ms / 1000
    return JobClaimed(
        f"Job {job!r} is claimed by {owner!r}, whose lease runs {left:.1f} s more: wait, or take "
        "the job over",
        owner=owner,
        seconds_left=left,
    )


def _stale_claim(job: str, holder: str) -> CheckpointError:
    now = f"the claim {holder} holds now" if holder else "its lease ran out or the job was ended"
    return StaleClaim(f"The claim of job {job!r} is over: {now}. Claim the job anew")


def _version_conflict(job: str, version: int) -> CheckpointError:
    return VersionConflict(
        f"Job {job!r} is at version {version}, not at the expected one: read it again, then decide"
    )


def _incarnation_ended(job: str, incarnation: str) -> CheckpointError:
    now = f"incarnation {incarnation} lives now" if incarnation else "it has no live checkpoints"
    return IncarnationEnded(f"Job {job!r} was deleted or has expired: {now}")


_REFUSALS: dict[bytes, Callable[..., CheckpointError]] = {
    b"JOBCLAIMED": _job_claimed,
    b"STALECLAIM": _stale_claim,
    b"VERSION": _version_conflict,
    b"ENDED": _incarnation_ended,
}


def batches(requests: Iterable[Request], namespace: str, partitions: int) -> list[Batch]:
    """Group requests into one call per partition; a job's events keep their order."""
    grouped: dict[int, dict[str, list[Request]]] = {}
    for request in requests:
        job = request.event.job
        jobs = grouped.setdefault(partition_of(job, partitions), {})
        jobs.setdefault(job, []).append(request)
    return [
        Batch(PartitionKeys(namespace, number), [one for ours in jobs.values() for one in ours])
        for number, jobs in grouped.items()
    ]
