"""The archive: the Postgres event table, its position, its dead letters."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import Any, NamedTuple, TypeVar

import psycopg
from psycopg import Connection

from checkpoint.events import codec
from checkpoint.events import entry as log_entry
from checkpoint.events.crash_point import crash_point
from checkpoint.events.creation import Log
from checkpoint.events.entry import DeadLetter, Entry
from checkpoint.events.entry_id import EntryId
from checkpoint.events.errors import ArchiveUnavailable, InvalidSettings
from checkpoint.events.payload import storable

from . import schema
from .schema import query

CONNECT_SECONDS = 5
PATIENCE: dict[str, Any] = {
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}
"""libpq's settings (ms, seconds): a server that is gone without a word is given up after that."""
ROWS_AT_ONCE = 5000
WRITER = "checkpoint_writer"
COLUMN_TYPES = ("int2", "int8", "int8", "text", "int8", "int8", "int8", "int8", "bytea")
"""How COPY's binary rows are written. On the wire a timestamptz is an int8, microseconds since
2000, and json's bytes are as they are, like a bytea's; neither needs a Python object in between."""

YEAR_2000_MS = 946_684_800_000

T = TypeVar("T")
Row = tuple[Any, ...]


class Chapter(NamedTuple):
    """What one partition adds to the archive: its entries after `start` up to `end`."""

    partition: int
    start: EntryId
    end: EntryId
    entries: Sequence[Entry]
    dead: Sequence[DeadLetter] = ()


class Archive:
    """The archive of one log. Thread-safe: one connection, opened when needed, used in turns.

    Every method raises ArchiveUnavailable where Postgres is away or refuses, and connects anew at
    the next call.
    """

    def __init__(self, conninfo: str, namespace: str) -> None:
        """Take libpq's URL or conninfo string, "" for libpq's own variables, and the log's name."""
        self._conninfo = conninfo
        self._namespace = namespace
        self._lock = threading.RLock()
        self._connection: Connection | None = None

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def migrate(self) -> list[str]:
        """Bring the schema up to this release; return the names of what was applied."""
        with translated(), self._connect() as connection:
            return schema.migrate(connection)

    def register_log(self, log: Log) -> Log:
        """Note a new log, unless one is known; return the one that is known now."""

        def register(connection: Connection) -> Log:
            connection.execute(query("register_log"), log)
            connection.execute(query("create_positions"))
            return Log(*_one(connection.execute(query("read_log"))))

        return self.transact(register)

    def log(self) -> Log | None:
        """Return the log that the archive is of; None if it knows none yet."""
        row = self.transact(lambda connection: connection.execute(query("read_log")).fetchone())
        return Log(*row) if row else None

    def positions(self) -> dict[int, EntryId]:
        """Return every partition's position: the archive holds all entries up to it."""

        def read(connection: Connection) -> dict[int, EntryId]:
            rows = connection.execute(query("read_positions"))
            return {partition: EntryId(int(ms), int(seq)) for partition, ms, seq in rows}

        return self.transact(read)

    def store(self, chapters: Sequence[Chapter]) -> dict[int, EntryId]:
        """Add chapters in one transaction; return where each of their partitions stands now.

        Entries at or before a partition's position are passed over, so a chapter counts once
        whoever stores it. A chapter that would leave a gap is not stored at all. An entry that the
        table refuses becomes a dead letter.
        """
        try:
            return self.transact(lambda connection: _store(connection, chapters, _copy))
        except RefusedRow:
            return self.transact(lambda connection: _store(connection, chapters, _insert_singly))

    def has(self, partition: int, entry: EntryId) -> bool:
        """Say whether an entry is archived, as an event or as a dead letter."""
        values = [partition, *entry] * 2
        return self.transact(
            lambda connection: bool(_one(connection.execute(query("has_entry"), values))[0])
        )

    def job_entries(self, job: str) -> tuple[list[Entry], int]:
        """Return the events of a job's latest incarnation, and Postgres' time in ms."""

        def read(connection: Connection) -> tuple[list[Entry], int]:
            rows = connection.execute(query("job_entries"), {"job": job}).fetchall()
            return [_entry(row) for row in rows], _one(connection.execute(query("now")))[0]

        return self.transact(read)

    def schema_version(self) -> int:
        """Return the number of the last migration applied; SchemaTooNew."""
        return self.transact(schema.version)

    def now_ms(self) -> int:
        """Return Postgres' time: milliseconds since 1970."""
        return int(self.transact(lambda connection: _one(connection.execute(query("now"))))[0])

    def job_history(self, job: str) -> list[Entry]:
        """Return all events of a job, of every incarnation, in the order of the log."""

        def read(connection: Connection) -> list[Entry]:
            return [_entry(row) for row in connection.execute(query("job_history"), [job])]

        return self.transact(read)

    def entries(self, partition: int, after: EntryId) -> Iterator[Entry]:
        """Stream the events of a partition after an entry id, in the order of the log."""
        with (
            translated(),
            self._connect() as connection,
            connection.transaction(),
            connection.cursor(name="entries") as cursor,
        ):
            cursor.itersize = ROWS_AT_ONCE
            cursor.execute(query("partition_entries"), [partition, *after])
            for row in cursor:
                yield _entry(row)

    def transact(self, work: Callable[[Connection], T]) -> T:
        """Do work in a transaction of its own; every statement of the archive runs in one."""
        with self._lock:
            try:
                with translated():
                    if self._connection is None or self._connection.closed:
                        self._connection = self._open()
                    with self._connection.transaction():
                        return work(self._connection)
            except ArchiveUnavailable:
                self.close()
                raise

    def _open(self) -> Connection:
        with ExitStack() as stack:
            connection = stack.enter_context(closing(self._connect()))
            if schema.version(connection) < max(schema.migrations()):
                schema.migrate(connection)
            connection.execute(query("limit_idleness"))
            may_write = _one(connection.execute(query("may_write"), [WRITER]))[0]
            if may_write:
                connection.execute(query("become_writer"))
            stack.pop_all()
        return connection

    def _connect(self) -> Connection:
        try:
            connection = psycopg.connect(
                self._conninfo, autocommit=True, connect_timeout=CONNECT_SECONDS, **PATIENCE
            )
        except psycopg.ProgrammingError:
            # libpq's own words may repeat a part of the password
            raise InvalidSettings(
                "POSTGRES_URL is no URL or conninfo that libpq can read"
            ) from None
        schema.enter(connection, self._namespace)
        return connection


class RefusedRow(ArchiveUnavailable):
    """The table refuses a row."""


_REFUSALS = (
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.errors.StatementTooComplex,  # JSON that nests deeper than Postgres' stack
    OverflowError,  # a number that no column holds
)


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into this system's; no password gets into a message."""
    try:
        yield
    except _REFUSALS as error:
        raise RefusedRow(f"Postgres refuses a row: {error}") from error
    except psycopg.Error as error:
        raise ArchiveUnavailable(f"Postgres: {str(error).strip()}") from error


def _store(
    connection: Connection,
    chapters: Sequence[Chapter],
    add: Callable[[Connection, Sequence[tuple[int, Entry]]], None],
) -> dict[int, EntryId]:
    partitions = list({chapter.partition for chapter in chapters})
    locked = connection.execute(query("lock_positions"), [partitions])
    positions = {partition: EntryId(int(ms), int(seq)) for partition, ms, seq in locked}
    new = list(_new_in(chapters, positions))
    crash_point("archive: before the rows")
    add(connection, [(part.partition, entry) for part in new for entry in part.entries])
    for part in new:
        for letter in part.dead:
            _bury(connection, part.partition, letter)
        connection.execute(query("move_position"), [*part.end, part.partition])
    crash_point("archive: before the commit")
    return positions


def _new_in(chapters: Iterable[Chapter], positions: dict[int, EntryId]) -> Iterator[Chapter]:
    """Yield what the archive lacks of chapters that follow its positions, and move those on."""
    for partition, start, end, entries, dead in chapters:
        position = positions[partition]
        if start <= position < end:
            yield Chapter(
                partition,
                position,
                end,
                [entry for entry in entries if entry.id > position],
                [letter for letter in dead if letter.id > position],
            )
            positions[partition] = end


def _copy(connection: Connection, entries: Sequence[tuple[int, Entry]]) -> None:
    if not entries:
        return
    with connection.cursor() as cursor, cursor.copy(query("copy_events")) as copy:
        copy.set_types(COLUMN_TYPES)
        for partition, entry in entries:
            copy.write_row(row_of(partition, entry))


def _insert_singly(connection: Connection, entries: Sequence[tuple[int, Entry]]) -> None:
    for partition, entry in entries:
        try:
            with connection.transaction():
                connection.execute(query("insert_event"), row_of(partition, entry))
        except _REFUSALS as error:
            letter = DeadLetter(entry.id, log_entry.fields(entry), str(error).strip())
            _bury(connection, partition, letter)


def _bury(connection: Connection, partition: int, letter: DeadLetter) -> None:
    values = [partition, *letter.id, list(letter.fields), storable(letter.reason)]
    connection.execute(query("insert_dead_letter"), values)


def row_of(partition: int, entry: Entry) -> Row:
    """Return an entry's row in the event table."""
    return (
        partition,
        *entry.id,
        entry.event.job,
        *entry.incarnation,
        entry.version,
        (entry.id.ms - YEAR_2000_MS) * 1000,
        entry.encoded,
    )


def _entry(row: Row) -> Entry:
    ms, seq, incarnation_ms, incarnation_seq, version, text = row
    encoded = text.encode()
    incarnation = EntryId(incarnation_ms, incarnation_seq)
    return Entry(EntryId(ms, seq), incarnation, version, codec.decode(encoded), encoded)


def _one(cursor: psycopg.Cursor[Row]) -> Row:
    row = cursor.fetchone()
    if row is None:
        raise ArchiveUnavailable("Postgres returned no row where there is always one")
    return row
