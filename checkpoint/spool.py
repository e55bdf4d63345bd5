"""The spool: a local SQLite file that keeps events while Redis is away.

Many processes may share one. Rows keep their order. What the log took is removed; what it refused
stays, with the reason. The file is opened for each transaction, so that nothing of it is held
across threads, forks and cancelled tasks, and is on disk (fsync) when a transaction returns.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import groupby
from pathlib import Path
from threading import RLock
from typing import Any, NamedTuple, Self
from weakref import finalize

from checkpoint.events import codec
from checkpoint.events.append import Request
from checkpoint.events.errors import SpoolUnavailable
from checkpoint.events.event import AnyEvent
from checkpoint.events.forks import make_anew_after_fork

BUSY_SECONDS = 5.0
"""How long to wait for a transaction of another process."""
CALLS_AT_ONCE = 100

# Events of one call go to the log together. Among those that wait, a key names one event of a job.
SCHEMA = """
    CREATE TABLE IF NOT EXISTS spooled (
        number           INTEGER PRIMARY KEY AUTOINCREMENT,
        call             INTEGER NOT NULL,
        namespace        TEXT NOT NULL,
        job              TEXT NOT NULL,
        key              TEXT NOT NULL,
        event            BLOB NOT NULL,
        token            TEXT NOT NULL,
        expected_version INTEGER,
        at_ms            INTEGER NOT NULL,
        refused          TEXT
    );
    CREATE UNIQUE INDEX IF NOT EXISTS waiting ON spooled (namespace, job, key)
    WHERE refused IS NULL;
"""
NEXT_CALL = "SELECT coalesce(max(call), 0) + 1 FROM spooled"
ADD = """
    INSERT INTO spooled (call, namespace, job, key, event, token, expected_version, at_ms)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
FIND = """
    SELECT number FROM spooled WHERE namespace = ? AND job = ? AND key = ? AND refused IS NULL
"""
FIRST = """
    SELECT call, event, key, token, expected_version FROM spooled
    WHERE namespace = :namespace AND refused IS NULL AND call IN (
        SELECT DISTINCT call FROM spooled WHERE namespace = :namespace AND refused IS NULL
        ORDER BY call LIMIT :calls
    )
    ORDER BY number
"""
WAITING = """
    SELECT number, at_ms, event, NULL FROM spooled
    WHERE namespace = ? AND job = ? AND refused IS NULL ORDER BY number
"""
REFUSED = """
    SELECT number, at_ms, event, refused FROM spooled
    WHERE namespace = ? AND refused IS NOT NULL ORDER BY number
"""
REMOVE = """
    DELETE FROM spooled WHERE namespace = ? AND job = ? AND key = ? AND refused IS NULL
"""
REFUSE = """
    UPDATE spooled SET refused = ?
    WHERE namespace = ? AND job = ? AND key = ? AND refused IS NULL
"""
FATE = "SELECT refused FROM spooled WHERE number = ?"


Outcome = tuple[Request, str | None]
"""A request that was sent to the log, and why the log refused it, if it did."""


class Spooled(NamedTuple):
    """An event in the spool."""

    number: int
    """Names it in its spool; later ones have greater numbers."""
    at_ms: int
    """When it was spooled, by this machine's clock: ms since 1970."""
    event: AnyEvent
    refused: str | None
    """Why the log did not take it; None where it was not asked yet."""


class Added(NamedTuple):
    """Where a request stands in the spool."""

    number: int
    repeated: bool
    """The spool had an event of that job with the same key already."""


class DrainLock:
    """Held by the one who drains the spool; let go of, too, when it is forgotten or killed."""

    def __init__(self, handle: int) -> None:
        """Take the open lock file."""
        self._release = finalize(self, _let_go, handle)

    def __enter__(self) -> Self:
        """Return the lock itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let another one drain."""
        self._release()


def _let_go(handle: int) -> None:
    fcntl.flock(handle, fcntl.LOCK_UN)  # a forked child may have the file open, too
    os.close(handle)


class Spool:
    """The events of one log that wait in a file. Every method raises SpoolUnavailable."""

    def __init__(self, path: str | Path, namespace: str) -> None:
        """Take the file, which is made at the first use, and the log's name."""
        self.path = Path(path).absolute()
        self.holds = True
        """False once the file was seen to hold nothing for the log, until this process adds."""
        self._namespace = namespace
        self.after_fork()
        make_anew_after_fork(self)

    def after_fork(self) -> None:
        """Make the lock anew: a thread of the parent may have held it."""
        # reentrant: a signal handler may save while its thread adds to the spool
        self._changing = RLock()

    def add(self, requests: Iterable[Request]) -> list[Added]:
        """Add the requests of one call, each with its key; they are on disk when this returns."""
        with self._changing, self._transaction() as db:
            self.holds = True
            ((call,),) = db.execute(NEXT_CALL)
            return [self._add(db, call, request) for request in requests]

    def _add(self, db: sqlite3.Connection, call: int, request: Request) -> Added:
        event, now_ms = codec.encode(request.event), time.time_ns() // 1_000_000
        name = (self._namespace, request.event.job, request.key)
        row = (call, *name, event, request.token, request.expected_version, now_ms)
        added = db.execute(ADD, row)
        if added.rowcount:
            return Added(int(added.lastrowid or 0), repeated=False)
        ((number,),) = db.execute(FIND, name)
        return Added(number, repeated=True)

    def first(self) -> list[list[Request]]:
        """Return the first calls that wait, in order; none where the spool is drained."""
        with self._changing, self._transaction() as db:
            values = {"namespace": self._namespace, "calls": CALLS_AT_ONCE}
            rows = db.execute(FIRST, values).fetchall()
            self.holds = bool(rows)
        return [
            [_request(*row) for _, *row in call] for _, call in groupby(rows, lambda row: row[0])
        ]

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Remove what the log took; set aside, with the reason, what it refused."""
        with self._transaction() as db:
            for request, refused in outcomes:
                name = (self._namespace, request.event.job, request.key)
                if refused is None:
                    db.execute(REMOVE, name)
                else:
                    db.execute(REFUSE, (refused, *name))

    def waiting(self, job: str) -> list[Spooled]:
        """Return a job's events that wait, in order."""
        return self._spooled(WAITING, self._namespace, job)

    def refused(self) -> list[Spooled]:
        """Return the events that the log refused, in order."""
        return self._spooled(REFUSED, self._namespace)

    def why_refused(self, number: int) -> str | None:
        """Say why the log refused an event; None where it took it, or was not asked yet."""
        with self._transaction() as db:
            row = db.execute(FATE, (number,)).fetchone()
        return row[0] if row else None

    def lock(self) -> DrainLock | None:
        """Take the right to drain the spool; None while anybody else has it."""
        with self._translated():
            # Not the database itself: closing it would end SQLite's own locks on it.
            handle = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                return None
            except OSError:  # a file system without locks
                os.close(handle)
                raise
            return DrainLock(handle)

    def _spooled(self, query: str, *values: Any) -> list[Spooled]:
        with self._transaction() as db:
            rows = db.execute(query, values).fetchall()
        return [Spooled(number, at, codec.decode(event), why) for number, at, event, why in rows]

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._translated(), closing(self._connect()) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.executescript(SCHEMA)
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")

    def _connect(self) -> sqlite3.Connection:
        with suppress(FileExistsError):
            self.path.touch(mode=0o600, exist_ok=False)  # what SQLite makes, anybody may read
        return sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise SpoolUnavailable(
                f"The spool {self.path} cannot be used: {error}. See that its folder exists, can "
                "be written to, and has space left"
            ) from error


def _request(event: bytes, key: str, token: str, expected_version: int | None) -> Request:
    return Request(codec.decode(event), key=key, token=token, expected_version=expected_version)
