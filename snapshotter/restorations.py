"""Restorations: what a Redis that lost its log needs back, and a record of every time it did."""

from datetime import datetime
from typing import NamedTuple

from psycopg import Connection

from checkpoint.events.entry_id import EntryId
from checkpoint.events.event import DAY_MS

from .archive import Archive
from .schema import query


class Restoration(NamedTuple):
    """One partition's log, restored.

    What it was given after `archived` and before `at`, and acknowledged as `log` only, is gone.
    """

    partition: int
    logged: EntryId
    """Where Redis' log had ended."""
    archived: EntryId
    """Where the archive ended, and the log goes on."""
    jobs: int
    """How many jobs were written back."""
    at: datetime | None = None
    """When, by Postgres' clock; None until it is on record."""


def begin(
    partition: int, logged: EntryId, after: EntryId, fence: EntryId, archive: Archive
) -> tuple[Restoration, list[str]]:
    """Put a partition's position at the fence, on record; return what is to be restored.

    That is the live jobs with events after an entry id. Nothing that lies before the fence is
    stored from now on, whoever still has it.
    """
    values = {
        "partition": partition,
        "ms": after.ms,
        "seq": after.seq,
        "now_ms": fence.ms,
        "default_ttl_ms": DAY_MS,
    }

    def begun(connection: Connection) -> tuple[Restoration, list[str]]:
        ((_, ms, seq),) = connection.execute(query("lock_positions"), [[partition]])
        archived = EntryId(int(ms), int(seq))
        jobs = [job for (job,) in connection.execute(query("jobs_after"), values)]
        restored = Restoration(partition, logged, archived, len(jobs))
        _record(connection, restored)
        connection.execute(query("move_position"), [*max(archived, fence), partition])
        return restored, jobs

    return archive.transact(begun)


def record(archive: Archive, restored: Restoration) -> None:
    """Note that a partition's log may have lost what it had after an entry id."""
    archive.transact(lambda connection: _record(connection, restored))


def _record(connection: Connection, restored: Restoration) -> None:
    values = [restored.partition, *restored.logged, *restored.archived, restored.jobs]
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
                at,
            )
            for partition, at, logged_ms, logged_seq, ms, seq, jobs in rows
        ]

    return archive.transact(read)
