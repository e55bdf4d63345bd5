"""Connections to Postgres: as many as there are questions at a time, and kept for the next ones."""

import os
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from math import inf
from time import monotonic
from traceback import clear_frames
from typing import Any, NamedTuple, TypeVar

import psycopg
from psycopg import Connection

from checkpoint.events.errors import ArchiveUnavailable, InvalidSettings
from checkpoint.events.forks import make_anew_after_fork

from . import refusal

PATIENCE: dict[str, Any] = {
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}
"""libpq's settings (ms, seconds): a server that is gone without a word is given up after that."""
SURE_SECONDS = 0.5
"""A connection that was used so lately is taken as it is; an idle one has to answer in time."""
ANSWER_SECONDS = 5.0
"""How long an idle connection may take to begin a transaction, which costs Postgres nothing."""

T = TypeVar("T")


class Uses:
    """The connections that somebody waits for, which any thread may cut: the wait ends at once."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = threading.Lock()  # nobody closes a connection while it is cut
        self._connections: set[Connection] = set()
        self._are_over = False

    @contextmanager
    def of(self, connection: Connection, seconds: float = inf) -> Iterator[None]:
        """Use a connection as long as the block runs; after `seconds` it is cut."""
        with self._lock:
            self.check()
            self._connections.add(connection)
        try:
            with self._limit(connection, seconds):
                yield
        finally:
            with self._lock:
                self._connections.discard(connection)

    def check(self) -> None:
        """Raise ArchiveUnavailable where nobody waits any more."""
        if self._are_over:
            raise ArchiveUnavailable("The question to Postgres was given up")

    def end(self) -> None:
        """Cut all, and refuse whatever is used from now on."""
        with self._lock:
            self._are_over = True
            for connection in self._connections:
                _cut(connection)

    @contextmanager
    def _limit(self, connection: Connection, seconds: float) -> Iterator[None]:
        if seconds == inf:
            yield
            return
        timer = threading.Timer(max(0.0, seconds), self._cut, [connection])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _cut(self, connection: Connection) -> None:
        with self._lock:
            if connection in self._connections:
                _cut(connection)


class _Kept(NamedTuple):
    """A connection that is not in use, since a time of the monotonic clock."""

    connection: Connection
    since: float


class Connections:
    """Connections of one process. Thread-safe, without a lock that a fork could find held."""

    def __init__(
        self, conninfo: str, connect_seconds: int, set_up: Callable[[Connection], None]
    ) -> None:
        """Take libpq's URL or conninfo string, and how long it may take to connect.

        Those that `run` uses are set up first.
        """
        self._conninfo = conninfo
        self._connect_seconds = connect_seconds
        self._set_up = set_up
        self._kept: deque[_Kept] = deque()
        self._parents: list[deque[_Kept]] = []
        self._closed = -inf
        make_anew_after_fork(self)

    def after_fork(self) -> None:
        """Leave the parent its connections; the driver warns of those that are dropped open."""
        self._parents.append(self._kept)
        self._kept = deque()

    @contextmanager
    def one(self, uses: Uses) -> Iterator[Connection]:
        """Yield a connection of the caller's own, closed after the block."""
        with closing(self._connect()) as connection, uses.of(connection):
            yield connection

    def run(
        self, work: Callable[[Connection], T], begin: bytes, uses: Uses, until: float = inf
    ) -> T:
        """Begin, and do work, over a connection that nobody else uses meanwhile.

        One that turns out to be dead before it has begun is replaced. The connection is kept for
        the next call if this one does not fail.
        """
        since = monotonic()
        connection = self._begun(begin, uses, until) or self._opened(begin, uses)
        with _closed_on_error(connection), uses.of(connection):
            answer = work(connection)
        self._keep(connection, since)
        return answer

    def close(self) -> None:
        """Close the connections that are not in use; those in use are closed after it."""
        self._closed = monotonic()
        self._close_kept()

    def _close_kept(self) -> None:
        while kept := self._take():
            kept.connection.close()

    def _begun(self, begin: bytes, uses: Uses, until: float) -> Connection | None:
        """Take a connection that was kept, if there is one that answers."""
        if (kept := self._take()) is None or not begin:
            return kept and kept.connection
        connection, since = kept
        is_sure = monotonic() - since < SURE_SECONDS
        limit = inf if is_sure else min(ANSWER_SECONDS, (until - monotonic()) / 2)
        try:
            with _closed_on_error(connection), uses.of(connection, limit):
                connection.execute(begin)
        except psycopg.OperationalError:
            self._close_kept()  # where one has died, the others have too
            return None
        return connection

    def _opened(self, begin: bytes, uses: Uses) -> Connection:
        uses.check()
        connection = self._connect()
        with _closed_on_error(connection), uses.of(connection):
            self._set_up(connection)
            if begin:
                connection.execute(begin)
        return connection

    def _connect(self) -> Connection:
        try:
            return psycopg.connect(
                self._conninfo,
                autocommit=True,
                client_encoding="utf8",  # an event's bytes go into the table as they are
                connect_timeout=self._connect_seconds,
                **PATIENCE,
            )
        except psycopg.ProgrammingError:
            # libpq's own words may repeat a part of the password
            raise InvalidSettings(
                "POSTGRES_URL is no URL or conninfo that libpq can read"
            ) from None
        except (psycopg.Error, UnicodeError) as error:
            # the driver's frames know the error, and would keep its socket until it is collected
            clear_frames(error.__traceback__)
            if not refusal.may_hold_password(self._conninfo):
                raise
            raise ArchiveUnavailable(refusal.MISREAD) from None

    def _take(self) -> _Kept | None:
        with suppress(IndexError):
            return self._kept.pop()
        return None

    def _keep(self, connection: Connection, since: float) -> None:
        self._kept.append(_Kept(connection, monotonic()))
        if since <= self._closed:  # looked at last, for it may be closed at any moment
            self._close_kept()


@contextmanager
def _closed_on_error(connection: Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise


def _cut(connection: Connection) -> None:
    with (
        suppress(psycopg.OperationalError, OSError),  # it is closed already
        socket.socket(fileno=os.dup(connection.fileno())) as ours,
    ):
        ours.shutdown(socket.SHUT_RDWR)
