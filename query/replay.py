"""Replay: a job's events as they were, from the archive and then the log, each once."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import Any, Self, TypedDict

import msgspec

from checkpoint.events.entry import Entry
from checkpoint.events.entry_id import ZERO
from checkpoint.events.errors import ArchiveNotReady
from checkpoint.events.event import type_of
from checkpoint.events.freshness import Place
from checkpoint.events.keys import PartitionKeys, partition_of
from checkpoint.events.steps import AskArchive, Steps

from .lookup import Source, scan


class HistoryEvent(TypedDict):
    """One event on record."""

    id: str
    """Its entry id."""
    time: datetime
    incarnation: str
    """Names the life of the job that the event belongs to."""
    version: int
    event: dict[str, Any]
    """The event itself: its `type` (`stage_completed`), and what events of that type have."""


class JobHistory(list[HistoryEvent]):
    """A job's events, oldest first, and where they are from."""

    source: str = "log"
    """`log`: all that log and archive have. `archive`: Redis was away, so the latest may lack."""

    @classmethod
    def of(cls, entries: Iterable[Entry], source: Source) -> Self:
        """Describe entries for people."""
        history = cls(history_event(entry) for entry in entries)
        history.source = source.value
        return history


def replay_job(place: Place, job: str) -> Steps[list[Entry]]:
    """Find all entries of a job: those archived, then what the log has beyond."""
    number = partition_of(job, place.partitions)
    archived: list[Entry] = []
    position = ZERO
    if place.has_archive:
        with suppress(ArchiveNotReady):  # without positions the log is read from its beginning
            positions = yield AskArchive(lambda archive: archive.positions())
            position = positions.get(number, ZERO)
        archived = yield from replay_archive(job)
    tail = yield from scan(PartitionKeys(place.namespace, number), job, position)
    known = {entry.id for entry in archived}
    return archived + [entry for entry in tail if entry.id not in known]


def replay_archive(job: str) -> Steps[list[Entry]]:
    """Find the entries of a job that the archive has."""
    entries: list[Entry] = yield AskArchive(lambda archive: archive.job_history(job))
    return entries


def history_event(entry: Entry) -> HistoryEvent:
    """Turn an entry into what people read."""
    event = msgspec.json.decode(msgspec.json.encode(entry.event))
    return HistoryEvent(
        id=str(entry.id),
        time=entry.id.time,
        incarnation=str(entry.incarnation),
        version=entry.version,
        event={**event, "type": type_of(entry.event)},
    )
