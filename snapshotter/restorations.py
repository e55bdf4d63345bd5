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


def jobs_after(archive: Archive, partition: int, after: EntryId, now_ms: int) -> list[str]:
    """Return the jobs with events after an entry id that live at a time (ms since 1970)."""
    values = {
        "partition": partition,
        "ms": after.ms,
        "seq": after.seq,
        "now_ms": now_ms,
        "default_ttl_ms": DAY_MS,
    }

    def read(connection: Connection) -> list[str]:
        return [job for (job,) in connection.execute(query("jobs_after"), values)]

    return archive.transact(read)


def record(archive: Archive, restored: Restoration) -> None:
    """Note that a partition's log was restored from the archive."""
    values = [restored.partition, *restored.logged, *restored.archived, restored.jobs]
    archive.transact(lambda connection: connection.execute(query("record_restoration"), values))


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
