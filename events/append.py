"""Appending: requests to the append script as plain values, and what its answers mean.

One call carries any number of events of one partition, checks them all, and appends all or none.
"""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from os import urandom
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct, field

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
from .event import JobClaimed as JobTaken
from .freshness import RESTORED
from .keys import PartitionKeys, partition_of
from .script import Argument, Call, Script

APPEND = Script.load("checkpoint.events", "append")
RENEW = Script.load("checkpoint.events", "renew")

Kind = Literal["append", "rewind", "fork", "delete", "claim", "steal", "renew", "release"]


def made_up_key() -> str:
    """Make up a key that no other of the same job is like: 72 random bits."""
    # not by `random`: a pipeline may seed it, and would get the keys of its run before again
    return urlsafe_b64encode(urandom(9)).decode()


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


class Request(Struct, frozen=True):
    """One event to append, and what must be true of its job for that."""

    event: AnyEvent
    kind: Kind = "append"
    key: str = ""
    """Remembered as long as the job lives: a second request under it appends nothing."""
    token: str = ""
    expected_version: int | None = None
    incarnation: EntryId | None = None

    @property
    def guards(self) -> tuple[Argument, ...]:
        """The token, version and incarnation that the script compares with the job's head."""
        expected = "" if self.expected_version is None else self.expected_version
        return self.token, expected, str(self.incarnation or "")

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """The event's part of the script's arguments."""
        event = self.event
        return self.kind, codec.encode(event), event.ttl_ms, self.key, self._detail

    @property
    def _detail(self) -> Argument:
        """What the script must know of the event, which it cannot read itself."""
        match self.event:
            case StageCompleted(key=key, stage=stage):
                return stage if key else ""
            case JobTaken(owner=owner, lease_ms=lease_ms):
                return f"{lease_ms} {owner}"
            case JobRewound(stages=stages) if self.kind == "rewind":
                return msgspec.json.encode(stages)
            case _:
                return ""


class Batch(Struct, frozen=True):
    """The requests of one partition, which one call appends.

    To be recognised when it is made again, a call's events have keys of their own either all or not
    at all, and a deletion is alone in it: the managers make no others.
    """

    partition: PartitionKeys
    jobs: dict[str, list[Request]]
    key: str = field(default_factory=made_up_key)
    """Names the call: the log knows it again if its answer was lost and it is made once more."""

    @property
    def requests(self) -> list[Request]:
        """All of them, job by job."""
        return [one for requests in self.jobs.values() for one in requests]

    def call(self, *, again: bool) -> Call:
        """Make the call; `again` says that it may have reached the log before."""
        keys = [self.partition.meta, self.partition.log]
        arguments: list[Argument] = [self.key, int(again)]
        for job, requests in self.jobs.items():
            keys += self.partition.job(job)
            arguments += (*requests[0].guards, len(requests))
            for request in requests:
                arguments += request.arguments
        return Call(APPEND.for_log(self.partition.namespace), keys, arguments)

    def read(self, reply: bytes | list[Any]) -> "AppendedBatch":
        """Turn the script's reply into where each event stands, or raise what it refused."""
        if isinstance(reply, list):
            raise refusal(list(self.jobs), *reply)
        fence, *words = reply.split()
        runs = zip(*[iter(words)] * 5, strict=True)
        appended = {job: _places(job, len(requests), runs) for job, requests in self.jobs.items()}
        return AppendedBatch(self.partition.partition, int(fence), appended)


def _places(job: str, count: int, runs: Iterator[tuple[bytes, ...]]) -> list[Appended]:
    """Take as many of the script's runs as tell of so many events of a job."""
    places: list[Appended] = []
    while len(places) < count:
        name, version, born, again, size = next(runs)
        ms, seq = first = EntryId.parse(name)
        incarnation = first if born == name else EntryId.parse(born)
        number, repeated = int(version), again == b"1"
        places += [
            Appended(job, EntryId(ms, seq + n), number + n, incarnation, repeated)
            for n in range(int(size))
        ]
    return places


class AppendedBatch(NamedTuple):
    """What the log answered to a batch."""

    partition: int
    fence_ms: int
    """Since when Redis has lost nothing of the partition: ms since 1970, 0 for always."""
    jobs: dict[str, list[Appended]]
    """Where each job's events stand, in the order of its requests."""


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


def log_lost(*_: Any) -> CheckpointError:
    """Make the error for a log that lacks entries which it had."""
    return LogNotReady(f"Redis has lost a part of the log while it ran. {RESTORED}")


_REFUSALS: dict[bytes, Callable[..., CheckpointError]] = {
    b"JOBCLAIMED": _job_claimed,
    b"STALECLAIM": _stale_claim,
    b"VERSION": _version_conflict,
    b"ENDED": _incarnation_ended,
    b"LOGLOST": log_lost,
}


def batches(requests: Iterable[Request], namespace: str, partitions: int) -> list[Batch]:
    """Group requests into one call per partition; a job's events keep their order."""
    jobs: dict[str, list[Request]] = {}
    for request in requests:
        jobs.setdefault(request.event.job, []).append(request)
    grouped: dict[int, dict[str, list[Request]]] = {}
    for job, ours in jobs.items():
        grouped.setdefault(partition_of(job, partitions), {})[job] = ours
    return [Batch(PartitionKeys(namespace, number), ours) for number, ours in grouped.items()]
