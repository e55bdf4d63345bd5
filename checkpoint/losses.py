"""Losses: what the log had acknowledged to this process and Redis lost is put on record by name.

Redis may come back without its last seconds, and numbers the job's next events as it numbered those
that are gone. A manager remembers the last event of each job that it was told of; where the log
contradicts that, an EventsLost event says which versions of the job are missing.
"""

import logging
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from checkpoint.events.append import Appended, Batch, Request
from checkpoint.events.entry_id import EntryId
from checkpoint.events.errors import (
    ArchiveNotConfigured,
    CheckpointError,
    EventLost,
    StaleClaim,
)
from checkpoint.events.event import EventsLost
from checkpoint.events.freshness import Place, redis_ms
from checkpoint.events.keys import PartitionKeys, partition_of
from checkpoint.events.steps import Steps
from checkpoint.events.watermark import confirm
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
        self._lock = threading.Lock()
        self._last: dict[str, Appended] = {}

    def note(self, appended: Iterable[Appended]) -> list[Appended]:
        """Remember what was appended; return what was known before and contradicts it."""
        doubtful = []
        with self._lock:
            for one in appended:
                known = self._last.pop(one.job, None)
                self._last[one.job] = one
                if known and known.id < one.id and not _follows(known, one):
                    doubtful.append(known)
            while len(self._last) > REMEMBERED:
                del self._last[next(iter(self._last))]
        return doubtful

    def contradicts(self, job: str, state: JobState) -> list[Appended]:
        """Return what is known of a job if its state has less; it is not remembered any longer."""
        known = self._last.get(job)
        if known is None or (known.id <= state.id and known.incarnation == state.incarnation):
            return []
        return self.forget(job)

    def forget(self, *jobs: str) -> list[Appended]:
        """Return what is known of jobs, or of all if none is named, and remember it no longer."""
        with self._lock:
            return [self._last.pop(job) for job in (jobs or list(self._last)) if job in self._last]


def _follows(known: Appended, one: Appended) -> bool:
    return one.incarnation == known.incarnation and one.version > known.version


def name_losses(core: "Core", place: Place, doubtful: Iterable[Appended]) -> Steps[None]:
    """Put on record, and in this process' log, which of some events are lost.

    Those of jobs that would have expired by now are not missed.
    """
    for known in doubtful:
        try:
            if known.id.ms + core.ttl_ms <= (yield from redis_ms()):
                continue
            if lost := (yield from _lost(core, place, known)):
                log.warning(
                    "Redis has lost versions %d to %d of job %r, which it had acknowledged",
                    lost.first,
                    lost.last,
                    known.job,
                )
                yield from _record(core, place, lost)
        except CheckpointError as error:
            log.warning("What Redis may have lost of job %r is not on record: %s", known.job, error)


def _lost(core: "Core", place: Place, known: Appended) -> Steps[EventsLost | None]:
    partition = PartitionKeys(place.namespace, partition_of(known.job, place.partitions))
    try:
        yield from confirm(partition, known.job, known.id)
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


def _record(core: "Core", place: Place, lost: EventsLost) -> Steps[None]:
    partition = PartitionKeys(place.namespace, partition_of(lost.job, place.partitions))
    for token in dict.fromkeys([core.token, ""]):  # the claim may be of another job
        with suppress(StaleClaim):
            batch = Batch(partition, [Request(lost, token=token)])
            yield from core.append_batch(place, batch, "log", core.deadline())
            return
