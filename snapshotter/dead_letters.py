"""Dead letters: entries that are no events, or that Postgres refuses, kept with their bytes.

Each has its place in its partition's chain, and keeps it when it becomes an event after all, or
is discarded: then its leaf is left of it.
"""

from datetime import datetime
from typing import NamedTuple

from psycopg import Connection

from checkpoint.events.entry import DeadLetter, decode, fields
from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.errors import UndecodableEntry

from . import chain
from .archive import Archive
from .schema import query
from .storing import row_of

MAX_PARTITION = 2**15 - 1
"""The column's type holds no greater number; a log has fewer partitions."""
MAX_PART = 2**63 - 1
"""Redis writes no greater milliseconds, and counts no further."""


class Burial(NamedTuple):
    """A dead letter on record: of which partition, and since when."""

    partition: int
    letter: DeadLetter
    at: datetime


def parse_name(text: str) -> tuple[int, EntryId]:
    """Read PARTITION:MS-SEQ; a ValueError where it cannot be the name of a dead letter."""
    number, _, entry = text.partition(":")
    partition, name = int(number), EntryId.parse(entry)
    if not 0 <= partition <= MAX_PARTITION or not all(0 <= part <= MAX_PART for part in name):
        raise ValueError(text)
    return partition, name


def find(archive: Archive, only: tuple[int, EntryId] | None = None) -> list[Burial]:
    """Return the dead letters, oldest first; of `only` a partition and an entry, if given."""
    partition, name = only or (None, ZERO)
    values = {"partition": partition, "ms": name.ms, "seq": name.seq}

    def read(connection: Connection) -> list[Burial]:
        rows = connection.execute(query("read_dead_letters"), values)
        return [
            Burial(number, DeadLetter(EntryId(int(ms), int(seq)), fields, reason), at)
            for number, ms, seq, at, fields, reason in rows
        ]

    return archive.transact(read)


def discarded(connection: Connection) -> list[tuple[int, EntryId]]:
    """Say which entries were discarded: partition and id, in the order of the log."""
    rows = connection.execute(query("discarded_letters"))
    return [(number, EntryId(int(ms), int(seq))) for number, ms, seq in rows]


def retry(archive: Archive, buried: Burial) -> None:
    """Make an event of a dead letter after all, in its own place.

    UndecodableEntry, or why Postgres refuses it. Nothing happens if it is no dead letter any more.
    """
    partition, letter, _ = buried
    entry = decode(str(letter.id).encode(), list(letter.fields))
    if fields(entry) != list(letter.fields):
        raise UndecodableEntry(
            f"Entry {letter.id} could be read, but not written in the same bytes again: its "
            "version or incarnation is not written as this system does"
        )

    def move(connection: Connection) -> None:
        gone = connection.execute(query("delete_dead_letter"), [partition, *entry.id])
        for number, link in gone.fetchall():
            connection.execute(query("insert_event"), row_of(partition, entry, number, link))

    archive.transact(move)


def discard(archive: Archive, buried: Burial) -> None:
    """Forget a dead letter; only its leaf stays, for the chain."""
    name = buried.letter.id
    leaf = chain.leaf(buried.partition, name, buried.letter.fields)
    values = [leaf, buried.partition, *name]
    archive.transact(lambda connection: connection.execute(query("discard_dead_letter"), values))
