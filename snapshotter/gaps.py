"""Gaps: versions that an incarnation lacks in the archive."""

from typing import NamedTuple

from psycopg import Connection

from checkpoint.events.entry_id import EntryId

from .archive import Archive
from .schema import query


class Gap(NamedTuple):
    """Versions `first` to `last` of a job are missing between two of its entries."""

    job: str
    first: int
    last: int
    before: EntryId
    after: EntryId


def find(partition: int, job: str | None, archive: Archive) -> list[Gap]:
    """Return what is missing of the jobs of a partition, or of one of them."""

    def read(connection: Connection) -> list[Gap]:
        rows = connection.execute(query("gaps"), {"partition": partition, "job": job})
        return [
            Gap(name, before + 1, version - 1, EntryId(*ids[:2]), EntryId(*ids[2:]))
            for name, before, version, *ids in rows
        ]

    return archive.transact(read)
