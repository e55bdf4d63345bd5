"""Pages: the archive's events in the order of the log, many at a time and without their bytes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import msgspec
from msgspec import Raw
from psycopg import Connection, Cursor

from checkpoint.events import codec
from checkpoint.events.entry import Entry
from checkpoint.events.entry_id import EntryId

from .archive import Archive
from .rows import MAX_BIGINT
from .schema import query

_decoder = msgspec.json.Decoder(list[Entry])
_raw_decoder = msgspec.json.Decoder(list[tuple[EntryId, EntryId, int, Raw, bytes]])

Asked: TypeAlias = Cursor[Any]
"""A page that Postgres may still be making."""


class Pages:
    """Reads pages that were asked for before: Postgres makes them while others are worked on.

    For one thread. A second one that waited for Postgres would take turns with the one that works,
    some ten times a page, which costs both more than the page costs Postgres.
    """

    def __init__(self, connection: Connection) -> None:
        """Take a connection that is in pipeline mode: what is asked there is not waited for."""
        self._connection = connection

    def ask(self, partition: int, after: EntryId, before_ms: int, limit: int) -> Asked:
        """Ask for up to `limit` events of a partition after an entry id and before a time (ms)."""
        least = [min(after.ms, MAX_BIGINT), min(after.seq, MAX_BIGINT)]
        values = [partition, *least, before_ms, limit]
        return self._connection.cursor(binary=True).execute(query("page"), values)

    def take(self, asked: Asked) -> bytes:
        """Wait for a page, which is for `decode_page`; an empty one has no events."""
        row = asked.fetchone()
        return row[0] or b"" if row else b""


@contextmanager
def reading_pages(archive: Archive) -> Iterator[Pages]:
    """Read pages over a connection of their own; ArchiveUnavailable."""
    with archive.connected() as connection:
        connection.execute(query("read_in_order"))
        with connection.pipeline():
            yield Pages(connection)


def decode_page(page: bytes) -> list[Entry]:
    """Return the entries of a page that is not empty; their own `encoded` is."""
    try:
        return _decoder.decode(page)
    except msgspec.MsgspecError:  # an event of an older release is among them
        return [
            Entry(name, born, version, codec.decode(bytes(event)), b"")
            for name, born, version, event, _ in _raw_decoder.decode(page)
        ]


def first_incarnation(partition: int, since_ms: int, before_ms: int, archive: Archive) -> int:
    """Say when the oldest incarnation began that has events in a span of time (ms since 1970)."""

    def read(connection: Connection) -> int:
        values = [partition, since_ms, before_ms]
        row = connection.execute(query("first_incarnation"), values).fetchone()
        return before_ms if row is None or row[0] is None else int(row[0])

    return archive.transact(read)
