"""Losses: what the log had acknowledged to this process and Redis lost is put on record by name.

Redis may come back without its last seconds, and numbers the job's next events as it numbered those
that are gone. A manager remembers the last event of each job that it was told of; where the log
contradicts that, an EventsLost event says which versions of the job are missing.
"""

import logging
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

from checkpoint.events.append import Appended, AppendedBatch, Batch, Request
from checkpoint.events.entry_id import EntryId
from checkpoint.events.errors import (
    ArchiveNotConfigured,
    ArchiveUnavailable,
    CheckpointError,
    EventLost,
    LogNotReady,
    LogUnavailable,
    StaleClaim,
)
from checkpoint.events.event import EventsLost
from checkpoint.events.forks import make_anew_after_fork
from checkpoint.events.freshness import Place, redis_ms
from checkpoint.events.keys import PartitionKeys, partition_of
from checkpoint.events.steps import Steps
from checkpoint.events.watermark import confirm_known
from checkpoint.projector.fold import JobState
from checkpoint.query.replay import replay_job

if TYPE_CHECKING:
    from .core import Core

REMEMBERED = 1000
"""How many jobs a manager remembers, the latest ones."""

log = logging.getLogger(__name__)


class Acknowledged:
    """The last event of each job that the log acknowledged to this process. Thread-safe."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self.after_fork()
        make_anew_after_fork(self)
        self._last: dict[str, tuple[int, Appended]] = {}
        self._fences: dict[int, int] = {}
        self._doubtful: list[Appended] = []

    def after_fork(self) -> None:
        """Make the lock anew: a thread of the parent may have held it."""
        # reentrant: a signal handler may save while its thread notes another save
        self._lock = threading.RLock()

    def note(self, batch: AppendedBatch) -> None:
        """Remember what was appended; what it contradicts, or came before a loss, is doubtful."""
        with self._lock:
            if batch.fence_ms > self._fences.setdefault(batch.partition, batch.fence_ms):
                self._fences[batch.partition] = batch.fence_ms
                self._suspect(batch.partition, batch.fence_ms)
            for job, places in batch.jobs.items():
                self._note(batch.partition, job, places)
            while len(self._last) > REMEMBERED:
                del self._last[next(iter(self._last))]

    def compare(self, job: str, state: JobState) -> None:
        """Doubt what is known of a job if its state has less."""
        _, known = self._last.get(job, (0, None))
        if known is None or (known.id <= state.id and known.incarnation == state.incarnation):
            return
        with self._lock:
            if self._last.pop(job, None):
                self._doubtful.append(known)

    def suspect_all(self) -> None:
        """Doubt everything."""
        with self._lock:
            self._doubtful += (known for _, known in self._last.values())
            self._last.clear()

    @property
    def is_doubtful(self) -> bool:
        """Say whether there is anything to make sure of."""
        return bool(self._doubtful)

    def take(self) -> list[Appended]:
        """Return what is doubtful, for the caller to make sure of."""
        with self._lock:
            taken, self._doubtful = self._doubtful, []
            return taken

    def put_back(self, doubtful: Iterable[Appended]) -> None:
        """Leave what could not be made sure of to the next call."""
        with self._lock:
            self._doubtful += doubtful

    def _note(self, partition: int, job: str, places: Sequence[Appended]) -> None:
        _, known = self._last.pop(job, (0, None))
        if known is None:
            self._last[job] = partition, max(places)
            return
        # an answer may come late, or repeat an earlier one
        newer = [one for one in places if one.id > known.id]
        if not all(_follows(known, one) for one in newer):
            self._doubtful.append(known)
        self._last[job] = partition, max(newer, default=known)

    def _suspect(self, partition: int, fence_ms: int) -> None:
        lost = [
            (job, known)
            for job, (number, known) in self._last.items()
            if number == partition and known.id.ms < fence_ms
        ]
        for job, known in lost:
            del self._last[job]
            self._doubtful.append(known)


def _follows(known: Appended, one: Appended) -> bool:
    return one.incarnation == known.incarnation and one.version > known.version


def name_losses(core: "Core", place: Place, deadline: float) -> Steps[None]:
    """Put on record, and in this process' log, which of the events that are doubtful are lost.

    Those of jobs that would have expired by now are not missed. What the deadline, by the
    monotonic clock, leaves no time for is left to the next call.
    """
    doubtful = core.acknowledged.take()
    while doubtful and monotonic() < deadline:
        try:
            yield from _name(core, place, doubtful[-1], deadline)
        except (LogUnavailable, LogNotReady, ArchiveUnavailable) as error:
            log.warning("What Redis may have lost is not on record yet: %s", error)
            break
        except CheckpointError as error:
            log.warning("A loss of job %r is not on record: %s", doubtful[-1].job, error)
        doubtful.pop()
    core.acknowledged.put_back(doubtful)


def _name(core: "Core", place: Place, known: Appended, deadline: float) -> Steps[None]:
    if known.id.ms + core.ttl_ms <= (yield from redis_ms()):
        return
    if lost := (yield from _lost(core, place, known)):
        log.warning(
            "Redis has lost versions %d to %d of job %r, which it had acknowledged",
            lost.first,
            lost.last,
            known.job,
        )
        yield from _record(core, place, lost, deadline)


def _lost(core: "Core", place: Place, known: Appended) -> Steps[EventsLost | None]:
    partition = PartitionKeys(place.namespace, partition_of(known.job, place.partitions))
    try:
        yield from confirm_known(partition, known.job, known.id)
    except (EventLost, ArchiveNotConfigured):  # without an archive the log keeps everything
        entries = yield from replay_job(place, known.job)
        kept = [one.version for one in entries if _is_before(one.incarnation, one.id, known)]
        return EventsLost(
            job=known.job,
            ttl_ms=core.ttl_ms,
            incarnation=str(known.incarnation),
            first=max(kept, default=0) + 1,
            last=known.version,
        )
    return None


def _is_before(incarnation: EntryId, entry: EntryId, known: Appended) -> bool:
    return incarnation == known.incarnation and entry < known.id


def _record(core: "Core", place: Place, lost: EventsLost, deadline: float) -> Steps[None]:
    partition = PartitionKeys(place.namespace, partition_of(lost.job, place.partitions))
    for token in dict.fromkeys([core.token, ""]):  # the claim may be of another job
        with suppress(StaleClaim):
            batch = Batch(partition, {lost.job: [Request(lost, token=token)]})
            yield from core.append_batch(place, batch, "log", deadline)
            return
