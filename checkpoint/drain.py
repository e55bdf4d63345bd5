"""What a spool changes, as steps: what waits in it goes to the log before anything new does.

An event gets a key that the log remembers as long as the job lives before it is first sent. So a
drain that dies between the log and the spool is repeated without harm, and so is a save that was
spooled because only its reply was lost.
"""

import logging
from collections.abc import Sequence
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from msgspec.structs import replace

from checkpoint.events import codec
from checkpoint.events.append import Appended, Batch, Request, batches, made_up_key
from checkpoint.events.crash_point import crash_point
from checkpoint.events.creation import Log
from checkpoint.events.entry import Entry
from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.errors import (
    IncarnationEnded,
    JobClaimed,
    LogUnavailable,
    SpooledEventRefused,
    StaleClaim,
    VersionConflict,
)
from checkpoint.events.freshness import last_entry
from checkpoint.events.keys import PartitionKeys, partition_of
from checkpoint.events.steps import AskSpool, Pause, Steps
from checkpoint.projector.fold import JobState, fold
from checkpoint.query.lookup import Answer, Source, Status

from .retry import retried

if TYPE_CHECKING:
    from .core import Core
    from .spool import Outcome, Spool, Spooled

REFUSALS = (StaleClaim, JobClaimed, VersionConflict, IncarnationEnded)
"""What no retry would change. Everything else passes, and the spool waits for that."""

LOCK_PAUSE = 0.02

log = logging.getLogger(__name__)


def append_or_spool(
    core: "Core", spool: "Spool", requests: Sequence[Request], ack: str, deadline: float
) -> Steps[list[Appended]]:
    """Append events after those that wait; add saves to the spool where that fails.

    Only what asks for `log` is spooled: nothing more can be promised while Redis is away. Claims
    and deletions are not, for only the log knows their answer. LogUnavailable, SpoolUnavailable.
    """
    spoolable = ack == "log" and all(request.kind == "append" for request in requests)
    if spoolable:
        requests = [replace(one, key=one.key or made_up_key()) for one in requests]
    try:
        yield from _drained(core, spool, deadline)
        return (yield from core.append_now(requests, ack, deadline))
    except LogUnavailable as error:
        if not spoolable:
            raise
        if not spool.holds:
            log.warning("%s. Until it is back, saves go to the spool %s", error, spool.path)
        crash_point("spool: before the write")
        added = yield AskSpool(partial(spool.add, requests))
        crash_point("spool: after the write")
    return [
        Appended(request.event.job, ZERO, 0, ZERO, repeated, number)
        for request, (number, repeated) in zip(requests, added, strict=True)
    ]


def drain(core: "Core", spool: "Spool", deadline: float) -> Steps[bool]:
    """Send what waits to the log, in order, each once; say whether all was sent by the deadline.

    Sends each call once: LogUnavailable where Redis is away.
    """
    if not spool.holds:
        return True
    while (lock := (yield AskSpool(spool.lock))) is None:
        if monotonic() + LOCK_PAUSE >= deadline:
            return False
        yield Pause(LOCK_PAUSE)
    with lock:
        while calls := (yield AskSpool(spool.first)):
            if monotonic() >= deadline:
                return False
            outcomes = yield from _send(core, spool, (yield from core.open()), calls)
            crash_point("spool: after the log")
            yield AskSpool(partial(spool.settle, outcomes))
            crash_point("spool: drained")
            log.info("Sent %d calls from the spool %s", len(calls), spool.path)
    return True


def last_id_after_drain(core: "Core", spooled: Appended, deadline: float) -> Steps[EntryId]:
    """Drain the spool; return an entry id that a spooled event's own is not past.

    SpooledEventRefused where the log refused the event.
    """
    if (spool := core.spool) is None:
        raise LogUnavailable(
            f"An event of job {spooled.job!r} is in a spool that this manager was not given"
        )
    yield from _drained(core, spool, deadline)
    if why := (yield AskSpool(partial(spool.why_refused, spooled.spooled))):
        raise SpooledEventRefused(
            f"The log refused an event of job {spooled.job!r} that was spooled: {why}. The spool "
            f"{spool.path} keeps it as number {spooled.spooled}"
        )
    partitions = (yield from core.open()).partitions
    number = partition_of(spooled.job, partitions)
    return (yield from last_entry(PartitionKeys(core.settings.namespace, number)))


def waiting_events(spool: "Spool | None", job: str) -> Steps[Sequence["Spooled"]]:
    """Read a job's events that wait in the spool, in order.

    They are read before the rest is: an event that is sent in between is seen twice, and not never.
    """
    if spool is None or not spool.holds:
        return ()
    waiting: Sequence[Spooled] = yield AskSpool(partial(spool.waiting, job))
    return waiting


def overlaid(answer: Answer, waiting: Sequence["Spooled"]) -> Answer:
    """Fold events that the log does not have yet onto an answer. Pure.

    They do not expire: their time begins when the log has them.
    """
    if not waiting:
        return answer
    state = answer.live
    for one in waiting:
        state = fold(state, _foreseen(state, one))
    return Answer(state, Status.LIVE, Source.SPOOL)


def _foreseen(state: JobState, spooled: "Spooled") -> Entry:
    """Make the entry that the event would be if it came to the log after all that is known."""
    name = max(EntryId(spooled.at_ms, 0), EntryId(state.id.ms, state.id.seq + 1))
    born = state.incarnation if state.version else name
    return Entry(name, born, state.version + 1, spooled.event, codec.encode(spooled.event))


def _drained(core: "Core", spool: "Spool", deadline: float) -> Steps[None]:
    """Drain the spool, waiting for Redis; LogUnavailable where the deadline comes first."""
    if not (yield from retried(lambda _: drain(core, spool, deadline), deadline)):
        raise LogUnavailable(
            f"The spool {spool.path} was not drained in time, and what waits in it comes first"
        )


def _send(
    core: "Core", spool: "Spool", known: Log, calls: Sequence[Sequence[Request]]
) -> Steps[list["Outcome"]]:
    outcomes: list[Outcome] = []
    for call in calls:
        for batch in batches(call, core.settings.namespace, known.partitions):
            refused = yield from _refusal(core, spool, known, batch)
            outcomes += [(request, refused) for request in batch.requests]
    return outcomes


def _refusal(core: "Core", spool: "Spool", known: Log, batch: Batch) -> Steps[str | None]:
    """Send a batch; None where the log takes it, or why it refuses."""
    try:
        yield from core.append_batch(core.place(known), batch, "log", deadline=0.0)
    except REFUSALS as error:
        jobs = ", ".join(sorted(map(repr, batch.jobs)))
        log.warning(
            "The log refused events of %s that were spooled; the spool %s keeps them: %s",
            jobs,
            spool.path,
            error,
        )
        return f"{type(error).__name__}: {error}"
    return None
