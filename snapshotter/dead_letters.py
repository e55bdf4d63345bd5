"""Dead letters: entries that are no events, or that Postgres refuses, kept with their bytes."""

from datetime import datetime
from typing import NamedTuple

from psycopg import Connection

from checkpoint.events.entry import DeadLetter, decode
from checkpoint.events.entry_id import ZERO, EntryId

from .archive import Archive, row_of
from .schema import query


class Burial(NamedTuple):
    """A dead letter on record: of which partition, and since when."""

    partition: int
    letter: DeadLetter
    at: datetime


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


def retry(archive: Archive, buried: Burial) -> None:
    """Make an event of a dead letter after all; UndecodableEntry, or why Postgres refuses it."""
    entry = decode(str(buried.letter.id).encode(), list(buried.letter.fields))

    def store(connection: Connection) -> None:
        connection.execute(query("insert_event"), row_of(buried.partition, entry))
        connection.execute(query("delete_dead_letter"), [buried.partition, *entry.id])

    archive.transact(store)


def discard(archive: Archive, buried: Burial) -> None:
    """Forget a dead letter."""
    values = [buried.partition, *buried.letter.id]
    archive.transact(lambda connection: connection.execute(query("delete_dead_letter"), values))
