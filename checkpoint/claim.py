"""Claims: fenced ownership of a job, as steps.

A claim is an event, and its token is that event's entry id. All that its holder appends carries
the token and is refused once the lease has run out or another claim was made.
"""

import os
import socket
from contextlib import suppress
from dataclasses import dataclass, replace
from time import monotonic

from checkpoint.events import append
from checkpoint.events.append import Request
from checkpoint.events.errors import CheckpointError, InvalidSettings, JobClaimed
from checkpoint.events.event import JobClaimed as JobTaken
from checkpoint.events.event import JobReleased, JobRenewed
from checkpoint.events.freshness import on_fresh_log
from checkpoint.events.keys import PartitionKeys, partition_of
from checkpoint.events.names import check_name
from checkpoint.events.steps import Pause, Steps

from .core import Core

MIN_LEASE, MAX_LEASE = 0.1, 86400.0
UNDO_SECONDS = 1.0
SHORTEST_PAUSE, LONGEST_PAUSE = 0.02, 0.25


@dataclass(frozen=True, slots=True)
class Claim:
    """How a job is to be claimed."""

    job: str
    owner: str
    lease: float = 30.0
    """Seconds that the claim lasts unless it is renewed."""
    wait: float = 0.0
    """Seconds to wait for a job that another worker holds."""
    take_over: bool = False
    """Do not wait: end the other worker's claim."""

    def __post_init__(self) -> None:
        """Check the values; InvalidName, InvalidSettings."""
        check_name("job", self.job)
        check_name("owner", self.owner)
        if not MIN_LEASE <= self.lease <= MAX_LEASE:
            raise InvalidSettings(f"lease={self.lease!r}: it is from 0.1 to 86400 seconds")
        if not self.wait >= 0:
            raise InvalidSettings(f"wait={self.wait!r}: it is a number of seconds, 0 or more")

    @property
    def lease_ms(self) -> int:
        """The lease in milliseconds."""
        return round(self.lease * 1000)


def this_process() -> str:
    """Name this process for people: its host and its process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


def take(core: Core, claim: Claim, key: str) -> Steps[Core]:
    """Claim a job; return a core under the claim's token. JobClaimed after waiting in vain.

    A claim that was made before under the same `key` is returned again.
    """
    ttl_ms = core.with_token("", claim.lease).ttl_ms
    taken = JobTaken(job=claim.job, owner=claim.owner, lease_ms=claim.lease_ms, ttl_ms=ttl_ms)
    kind: append.Kind = "steal" if claim.take_over else "claim"
    until = monotonic() + claim.wait
    while True:
        try:
            (entry,) = yield from core.append([Request(taken, kind=kind, key=key)], "log")
        except JobClaimed as error:
            if (left := until - monotonic()) <= 0:
                raise
            wait = min(max(error.seconds_left, SHORTEST_PAUSE), LONGEST_PAUSE)
            yield Pause(min(left, wait))
        else:
            return core.with_token(str(entry.id), claim.lease)


def undo(core: Core, claim: Claim, key: str) -> Steps[None]:
    """Give back a job whose claiming was interrupted: whether it was claimed is not known."""
    brief = core.with_timeout(min(core.settings.timeout, UNDO_SECONDS))
    with suppress(CheckpointError):
        taken = yield from take(brief, replace(claim, wait=0.0, take_over=False), key)
        yield from release(taken, claim)


def renew(core: Core, claim: Claim) -> Steps[None]:
    """Make the lease run anew; StaleClaim if the claim is over.

    A job that would expire before the lease ends, or before another worker could go on with it,
    gets an event from which its time to live counts.
    """
    log = yield from core.open()
    partition = PartitionKeys(core.settings.namespace, partition_of(claim.job, log.partitions))
    call = append.renew(partition, claim.job, core.token, claim.lease_ms)
    reply = yield from on_fresh_log(core.place(log), call)
    if reply[0] != b"OK":
        raise append.refusal([claim.job], *reply)
    if reply[1] < max(claim.lease_ms, core.ttl_ms // 2):
        renewed = JobRenewed(job=claim.job, token=core.token, ttl_ms=core.ttl_ms)
        yield from core.append([Request(renewed, kind="renew", token=core.token)], "log")


def release(core: Core, claim: Claim) -> Steps[None]:
    """Give the job back. If that fails, or the claim is over already, its lease ends it."""
    ttl_ms = core.with_token(core.token).ttl_ms  # as of a job that nobody holds
    released = JobReleased(job=claim.job, token=core.token, ttl_ms=ttl_ms)
    with suppress(CheckpointError):
        yield from core.append([Request(released, kind="release", token=core.token)], "log")
