"""The archive's rows as they stand, undecoded: what the chain goes over, and what is verified."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg import Connection

from checkpoint.events.entry import EVENT, INCARNATION, VERSION
from checkpoint.events.entry_id import EntryId

from . import chain
from .schema import query

if TYPE_CHECKING:
    from .archive import Archive

MAX_BIGINT = 2**63 - 1


class Row(NamedTuple):
    """One entry of a partition, event or dead letter, as the archive has it."""

    id: EntryId
    fields: Sequence[bytes]
    """As they stand in the log: field, value, field, value …; none of a discarded dead letter."""
    number: int | None
    chain: bytes | None
    """The entry's link; None of a row that a release stored which knew of no chain."""
    job: str | None = None
    """The column of an event, which may say something else than the event; None: a dead letter."""
    is_in_time: bool = True
    """Whether an event's column `at` says when its entry was made."""
    discarded: bytes | None = None
    """The leaf of a discarded dead letter."""

    def leaf(self, partition: int) -> bytes:
        """Hash what the row says of its entry."""
        if self.discarded is not None:
            return self.discarded
        return chain.leaf(partition, self.id, self.fields)


def read_rows(
    connection: Connection, partition: int, after: EntryId, end: EntryId, limit: int
) -> list[Row]:
    """Return up to `limit` rows of a partition after an entry id up to another, in order."""
    values = {
        "partition": partition,
        "after_ms": after.ms,
        "after_seq": after.seq,
        "ms": end.ms,
        "seq": end.seq,
        "limit": limit,
    }
    letters = [_letter(row) for row in connection.execute(query("archived_letters"), values)]
    # a greater number would make Postgres compare its bigints as numerics, without an index
    least = {
        name: min(value, MAX_BIGINT) if name.endswith(("ms", "seq")) else value
        for name, value in values.items()
    }
    rows = [_event(row) for row in connection.execute(query("archived_events"), least)]
    return sorted([*rows, *letters], key=lambda row: row.id)[:limit]


def page(partition: int, after: EntryId, end: EntryId, limit: int, archive: "Archive") -> list[Row]:
    """Return up to `limit` rows of a partition after an entry id up to another, at one instant."""

    def read(connection: Connection) -> list[Row]:
        connection.execute(query("at_one_instant"))
        return read_rows(connection, partition, after, end, limit)

    return archive.transact(read)


def job_rows(job: str, archive: "Archive") -> list[Row]:
    """Return the events of a job, of every incarnation, in the order of the log."""

    def read(connection: Connection) -> list[Row]:
        return [_event(row) for row in connection.execute(query("job_rows"), [job])]

    return archive.transact(read)


def row_before(partition: int, name: EntryId, archive: "Archive") -> Row | None:
    """Return the last row of a partition before an entry id."""
    values = {"partition": partition, "ms": name.ms, "seq": name.seq}

    def read(connection: Connection) -> Row | None:
        rows = connection.execute(query("last_event_before"), values)
        letters = connection.execute(query("last_letter_before"), values)
        found = [*map(_event, rows), *map(_letter, letters)]
        return max(found, key=lambda row: row.id, default=None)

    return archive.transact(read)


def _event(row: tuple[Any, ...]) -> Row:
    ms, seq, born_ms, born_seq, version, text, number, link, job, is_in_time = row
    born = b"" if (ms, seq) == (born_ms, born_seq) else b"%d-%d" % (born_ms, born_seq)
    fields = [EVENT, text.encode(), VERSION, b"%d" % version, INCARNATION, born]
    return Row(EntryId(ms, seq), fields, number, link, job, is_in_time)


def _letter(row: tuple[Any, ...]) -> Row:
    ms, seq, fields, number, link, leaf = row
    return Row(EntryId(int(ms), int(seq)), fields, number, link, discarded=leaf)
