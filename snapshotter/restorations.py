"""Restorations: what a Redis that lost its log needs back, and a record of every time it did.

A restart is on record as well, for Redis may have come back without its last second.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from psycopg import Connection

from checkpoint.events.creation import Log
from checkpoint.events.entry_id import EntryId
from checkpoint.events.errors import ArchiveNotReady
from checkpoint.events.event import DAY_MS

from . import storing
from .archive import Archive
from .schema import query


class Restoration(NamedTuple):
    """One partition's log, restored, or gone on with after a restart.

    What it was given after `archived` and before `resumed_ms`, and acknowledged as `log` only, is
    gone.
    """

    partition: int
    logged: EntryId
    """Where Redis' log had ended."""
    archived: EntryId
    """Where the log goes on, and the archive ended if the log was restored."""
    jobs: int
    """How many jobs were written back."""
    resumed_ms: int
    """When it went on, by Redis' clock: ms since 1970; later entries have later ids."""
    at: datetime | None = None
    """When, by Postgres' clock; None until it is on record."""


class Loss(NamedTuple):
    """What Redis has lost of a partition, as it is found."""

    partition: int
    logged: EntryId
    """Where Redis' log ends."""
    after: EntryId
    """What the views have at least."""
    fence: EntryId
    """Greater than all that may be lost, by the clocks of both servers."""
    run: str
    """Names the run of Redis that goes on."""


def begin(lost: Loss, archive: Archive) -> tuple[Restoration, list[str]]:
    """Put a partition's position at the fence, on record; return what is to be restored.

    That is the live jobs with events that the views lack. Nothing that lies before the fence is
    stored from now on, whoever still has it.
    """
    partition, logged, after, fence, run = lost

    def begun(connection: Connection) -> tuple[Restoration, list[str]]:
        archived = storing.lock(connection, [partition])[partition].position
        jobs = _jobs_after(connection, partition, after, fence.ms)
        restored = Restoration(partition, logged, archived, len(jobs), fence.ms)
        _record(connection, restored, run)
        connection.execute(query("move_position"), [*max(archived, fence), partition])
        return restored, jobs

    return archive.transact(begun)


def begin_after(log: Log, dropped: Mapping[int, EntryId], archive: Archive) -> None:
    """Register a log whose partitions have dropped entries, up to an id, and put that on record."""
    archive.migrate()
    if archive.transact(lambda connection: connection.execute(query("has_events")).fetchone()):
        raise ArchiveNotReady(
            "The archive has events, and does not know of which log: restore it from a backup, or "
            "drop its schema to begin another archive"
        )
    archive.register_log(log)

    def record(connection: Connection) -> None:
        for number, last in dropped.items():
            _record(connection, Restoration(number, last, last, 0, last.ms), "")

    archive.transact(record)


def live_jobs(partition: int, after: EntryId, now_ms: int, archive: Archive) -> list[str]:
    """Return the jobs that have events after an entry id and do not expire before a time."""
    return archive.transact(lambda connection: _jobs_after(connection, partition, after, now_ms))


def _jobs_after(connection: Connection, partition: int, after: EntryId, now_ms: int) -> list[str]:
    values = {
        "partition": partition,
        "ms": after.ms,
        "seq": after.seq,
        "now_ms": now_ms,
        "default_ttl_ms": DAY_MS,
    }
    return [job for (job,) in connection.execute(query("jobs_after"), values)]


def _record(connection: Connection, restored: Restoration, run: str) -> None:
    partition, logged, archived, jobs, resumed_ms, _ = restored
    values = [partition, *logged, *archived, jobs, resumed_ms, run]
    connection.execute(query("record_restoration"), values)


def on_record(archive: Archive) -> list[Restoration]:
    """Return every restoration there was, oldest first."""

    def read(connection: Connection) -> list[Restoration]:
        rows = connection.execute(query("read_restorations"))
        return [
            Restoration(
                partition,
                EntryId(int(logged_ms), int(logged_seq)),
                EntryId(int(ms), int(seq)),
                jobs,
                int(resumed_ms),
                at,
            )
            for partition, at, logged_ms, logged_seq, ms, seq, jobs, resumed_ms in rows
        ]

    return archive.transact(read)
