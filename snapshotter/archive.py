"""The archive: the Postgres event table, its position, its dead letters."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from math import ceil, inf
from threading import Event
from time import monotonic
from typing import Any, Self, TypeVar
from weakref import WeakKeyDictionary

import msgspec
import psycopg
from psycopg import Connection

from checkpoint.events import codec
from checkpoint.events.creation import Log
from checkpoint.events.entry import Entry
from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.errors import ArchiveNotReady, ArchiveUnavailable

from . import migration, pooling, roles, schema, statements, storing
from .connections import Connections, Uses
from .refusal import LockedOut, RefusedRow, translated
from .schema import query
from .storing import Archived, Chapter

CONNECT_SECONDS = 5
LOOKUP_SECONDS = 5.0
IDLE_MS, LOCK_MS = 4000, 6000
"""How long a transaction may do nothing, and how long one may wait for another's locks: longer,
so that who waits for one that hangs gets what it held."""
LONGEST_MS = 2**31 - 1
"""The greatest limit of time that Postgres knows."""
ROWS_AT_ONCE = 5000

T = TypeVar("T")
Row = tuple[Any, ...]


class Archive:
    """The archive of one log. Thread-safe: as many connections as there are questions at a time.

    Every method raises ArchiveUnavailable where Postgres is away or refuses. A call that fails or
    is interrupted gives its connection up; the next one opens another.
    """

    def __init__(
        self,
        conninfo: str,
        namespace: str,
        timeout: float = LOOKUP_SECONDS,
        *,
        migrates: bool = True,
    ) -> None:
        """Take libpq's URL or conninfo string, "" for libpq's own variables, and the log's name.

        A lookup of one job or entry may take `timeout` seconds. The first use of one that
        `migrates` brings the schema up to this release, or creates it; any other use, and later
        ones, raise ArchiveNotReady where it is missing or older.
        """
        self._namespace = namespace
        self._timeout = timeout
        self._migrated = Event()
        if not migrates:
            self._migrated.set()
        connect_seconds = min(CONNECT_SECONDS, max(1, ceil(timeout)))
        self._connections = Connections(conninfo, connect_seconds, self._set_up)
        self._marks: WeakKeyDictionary[Connection, str] = WeakKeyDictionary()
        """Of the sessions that are reached through a pooler."""
        self._until = inf
        self._uses = Uses()

    def within(self, until: float) -> Self:
        """Return the same archive, whose statements end at a time of the monotonic clock.

        It is abandoned by itself.
        """
        other = copy(self)
        other._until, other._uses = until, Uses()  # noqa: SLF001 - of its own class
        return other

    def close(self) -> None:
        """Close the connections; the next call opens another."""
        self._connections.close()

    def abandon(self) -> None:
        """Give up all that is asked: whoever waits for Postgres, in any thread, waits no longer."""
        self._uses.end()

    def migrate(self) -> list[str]:
        """Bring the schema up to this release; return the names of what was applied."""
        with self.connected() as connection:
            return migration.migrate(connection)

    def upgrade(self) -> bool:
        """Bring a schema up to this release if there is one; return whether there is."""
        with self.connected() as connection:
            is_there = bool(schema.version(connection))
            if is_there:
                migration.migrate(connection)
            return is_there

    def register_log(self, log: Log) -> Log:
        """Note a new log, unless one is known; return the one that is known now.

        The schema is created if there is none.
        """
        self.migrate()

        def register(connection: Connection) -> Log:
            connection.execute(query("register_log"), log)
            connection.execute(query("create_positions"))
            return Log(*_one(connection.execute(query("read_log"))))

        return self.transact(register)

    def log(self) -> Log | None:
        """Return the log that the archive is of; None if it knows none yet."""
        row = self.transact(lambda connection: connection.execute(query("read_log")).fetchone())
        return Log(*row) if row else None

    def find_log(self) -> Log | None:
        """Return the log that the archive is of, without making an archive where there is none."""
        with self.connected() as connection:
            is_there = bool(schema.version(connection))
        return self.log() if is_there else None

    def positions(self) -> dict[int, EntryId]:
        """Return every partition's position: the archive holds all entries up to it.

        None while the archive knows no log; ArchiveNotReady where it has lost some of them.
        """

        def read(connection: Connection) -> dict[int, EntryId]:
            rows = connection.execute(query("read_positions")).fetchall()
            storing.check_positions([row[0] for row in rows], range(rows[0][3] if rows else 0))
            return {partition: EntryId(int(ms), int(seq)) for partition, ms, seq, _ in rows}

        return self.transact(read)

    def position(self, partition: int) -> EntryId:
        """Return a partition's position; ArchiveNotReady where the archive knows no log."""
        known = self.positions()
        if partition not in known:
            raise ArchiveNotReady(
                f"The archive knows no log {self._namespace!r}, and Redis has one: restore "
                "Postgres from a backup; or, where there is none, `checkpoint migrate --register` "
                "begins an archive with what the log still has"
            )
        return known[partition]

    def resume(self, run: str, ends: Mapping[int, EntryId], fence_ms: int) -> dict[int, int] | None:
        """Put on record that a run of Redis goes on with the log; None where it must not.

        `ends` says for each partition which id is its last. What comes after that has ids from
        the fence on (ms since 1970): the fence of each partition is returned, which is an
        earlier one if this run is on record. It must not go on where it ends before the archive.
        """

        def resumed(connection: Connection) -> dict[int, int] | None:
            standing = storing.lock(connection, list(ends))
            if any(last < standing[number].position for number, last in ends.items()):
                return None
            asked = {"run": run, "partitions": list(ends)}
            known = connection.execute(query("fences_of_run"), asked)
            fences = {partition: int(fence) for partition, fence in known}
            for number in ends.keys() - fences.keys():
                values = [number, *ends[number], *ends[number], 0, fence_ms, run]
                connection.execute(query("record_restoration"), values)
            return dict.fromkeys(ends, fence_ms) | fences

        return self.transact(resumed)

    def store(self, chapters: Sequence[Chapter]) -> dict[int, Archived]:
        """Add chapters in one transaction; return how far each of their partitions has come.

        Entries at or before a partition's position are passed over, so a chapter counts once
        whoever stores it. A chapter that would leave a gap is not stored at all, nor is one of
        what Redis has lost since. An entry that the table refuses becomes a dead letter.
        """
        try:
            return self._store(chapters, storing.add_together)
        except RefusedRow:
            return self._store(chapters, storing.add_singly)
        except LockedOut:
            self.transact(_end_hung_copies)
            raise

    def _store(self, chapters: Sequence[Chapter], add: storing.Add) -> dict[int, Archived]:
        return self._run(lambda connection: storing.store(connection, chapters, add))

    def has(self, partition: int, entry: EntryId) -> bool:
        """Say whether an entry is archived, as an event or as a dead letter."""
        is_event, reason = self.find(partition, entry)
        return is_event or reason is not None

    def find(self, partition: int, entry: EntryId) -> tuple[bool, str | None]:
        """Say whether an entry is an event here, and why it is a dead letter if it is one."""
        values = [partition, *entry] * 2
        is_event, reason = self._look_up(
            lambda connection: _one(connection.execute(query("find_entry"), values))
        )
        return is_event, reason

    def find_dead(self, partition: int, job: str) -> EntryId | None:
        """Return the latest dead letter that is an event of a job."""
        values = [partition, b'"job":' + msgspec.json.encode(job)]
        row = self._look_up(
            lambda connection: connection.execute(query("last_dead_letter"), values).fetchone()
        )
        return EntryId(*map(int, row)) if row else None

    def job_entries(self, job: str) -> tuple[list[Entry], int]:
        """Return the events of a job's latest incarnation, and Postgres' time in ms."""

        def read(connection: Connection) -> tuple[list[Entry], int]:
            rows = connection.execute(query("job_entries"), {"job": job}).fetchall()
            return [_entry(row) for row in rows], _one(connection.execute(query("now")))[0]

        return self._look_up(read)

    def schema_version(self) -> int:
        """Return the number of the last migration applied; SchemaTooNew."""
        return self.transact(lambda connection: schema.check(connection, self._namespace))

    def now_ms(self) -> int:
        """Return Postgres' time: milliseconds since 1970."""
        return int(self.transact(lambda connection: _one(connection.execute(query("now"))))[0])

    def job_history(self, job: str) -> list[Entry]:
        """Return all events of a job, of every incarnation, in the order of the log."""

        def read(connection: Connection) -> list[Entry]:
            return [_entry(row) for row in connection.execute(query("job_history"), [job])]

        return self.transact(read)

    def job_page(self, job: str, after: Entry | None, limit: int) -> list[Entry]:
        """Return up to `limit` events of a job that follow one of them, in the order of the log."""
        born, version = (after.incarnation, after.version) if after else (ZERO, 0)

        def read(connection: Connection) -> list[Entry]:
            rows = connection.execute(query("job_page"), [job, *born, version, limit])
            return [_entry(row) for row in rows]

        return self.transact(read)

    def lives(self, incarnations: Mapping[str, EntryId]) -> dict[str, list[Entry]]:
        """Return the events of one incarnation of each of some jobs, by job and version."""
        born = incarnations.values()
        values = [list(incarnations), [one.ms for one in born], [one.seq for one in born]]
        return self._lives("lives", values)

    def latest_lives(self, jobs: Sequence[str]) -> dict[str, list[Entry]]:
        """Return the events of the latest incarnation of each of some jobs, by job and version."""
        return self._lives("latest_lives", [list(jobs)])

    def _lives(self, name: str, values: Sequence[Any]) -> dict[str, list[Entry]]:
        def read(connection: Connection) -> dict[str, list[Entry]]:
            found: dict[str, list[Entry]] = {}
            for row in connection.execute(query(name), values).fetchall():
                found.setdefault(row[0], []).append(_entry(row[1:]))
            return found

        return self.transact(read)

    def entries(self, partition: int, after: EntryId) -> Iterator[Entry]:
        """Stream the events of a partition after an entry id, in the order of the log."""
        with (
            self.connected() as connection,
            connection.transaction(),
            connection.cursor(name="entries") as cursor,
        ):
            cursor.itersize = ROWS_AT_ONCE
            cursor.execute(query("partition_entries"), [partition, *after])
            for row in cursor:
                yield _entry(row)

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """Yield a connection of the caller's own, for who reads on while others ask, too."""
        with translated(), self._connections.one(self._uses) as connection:
            schema.enter(connection, self._namespace)
            yield connection

    def _look_up(self, work: Callable[[Connection], T]) -> T:
        return self.transact(work, self._timeout)

    def transact(self, work: Callable[[Connection], T], seconds: float = inf) -> T:
        """Do work in a transaction of its own; every statement of the archive runs in one.

        A statement may take `seconds`. A connection that turns out to be dead before the
        transaction has begun is replaced.
        """

        def in_transaction(connection: Connection) -> T:
            self._check_session(connection)
            answer = work(connection)
            connection.commit()
            return answer

        begin = _begin(min(seconds, self._until - monotonic()))
        with translated():
            return self._connections.run(in_transaction, begin, self._uses, self._until)

    def _run(self, work: Callable[[Connection], T]) -> T:
        """Do work that has transactions of its own."""

        def in_own_session(connection: Connection) -> T:
            if connection not in self._marks:
                return work(connection)
            with connection.transaction():
                self._check_session(connection)
                return work(connection)

        with translated():
            return self._connections.run(in_own_session, b"", self._uses, self._until)

    def _check_session(self, connection: Connection) -> None:
        if mark := self._marks.get(connection):
            pooling.check(connection, mark)

    def _set_up(self, connection: Connection) -> None:
        schema.enter(connection, self._namespace)
        if mark := pooling.marked(connection):
            self._marks[connection] = mark
        if not self._migrated.is_set():
            migration.migrate(connection)
            self._migrated.set()
        # before anything waits for a table: Postgres does not see that nobody waits for it
        connection.execute(query("limit_waits"), {"idle_ms": IDLE_MS, "lock_ms": LOCK_MS})
        schema.check(connection, self._namespace)
        roles.become_writer(connection)
        statements.prepare(connection)


def _begin(seconds: float) -> bytes:
    if seconds == inf:
        return b"BEGIN"
    milliseconds = max(1, min(LONGEST_MS, int(seconds * 1000)))
    return b"BEGIN; SET LOCAL statement_timeout = %d" % milliseconds


def _end_hung_copies(connection: Connection) -> None:
    connection.execute(query("become_oneself"))
    connection.execute(query("end_hung_copies"), [LOCK_MS])


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
