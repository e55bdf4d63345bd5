"""Troubles: how much the archive has on record that an operator should know of."""

from typing import NamedTuple

from psycopg import Connection

from .archive import Archive
from .schema import query


class Troubles(NamedTuple):
    """What went wrong, in numbers."""

    dead_letters: int
    """Entries set aside that are not discarded yet."""
    restorations: int
    """Restarts and losses of Redis, each counted once for a partition."""


def count(archive: Archive) -> Troubles:
    """Count what is on record."""

    def read(connection: Connection) -> Troubles:
        return Troubles(*connection.execute(query("count_troubles")).fetchone() or (0, 0))

    return archive.transact(read)
