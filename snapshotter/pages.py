"""Pages: the archive's events in the order of the log, many at a time and without their bytes."""

from typing import Any

import msgspec
from msgspec import Raw
from psycopg import Connection

from checkpoint.events import codec
from checkpoint.events.entry import Entry
from checkpoint.events.entry_id import EntryId

from .archive import Archive
from .rows import MAX_BIGINT
from .schema import query

_decoder = msgspec.json.Decoder(list[Entry])
_raw_decoder = msgspec.json.Decoder(list[tuple[EntryId, EntryId, int, Raw, bytes]])


def read_page(
    partition: int, after: EntryId, before_ms: int, limit: int, archive: Archive
) -> bytes:
    """Read up to `limit` events of a partition after an entry id and before a time (ms).

    As a page that `decode_page` takes; an empty one is of no events.
    """
    values = [partition, min(after.ms, MAX_BIGINT), min(after.seq, MAX_BIGINT), before_ms, limit]
    return archive.transact(lambda connection: _value(connection, "page", values)) or b""


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
    values = [partition, since_ms, before_ms]
    found = archive.transact(lambda connection: _value(connection, "first_incarnation", values))
    return before_ms if found is None else int(found)


def _value(connection: Connection, name: str, values: list[int]) -> Any:
    row = connection.cursor(binary=True).execute(query(name), values).fetchone()
    return row[0] if row else None
