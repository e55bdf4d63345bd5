"""Lines: connections to Redis that carry a command and bring its reply as it is.

What a client of redis-py adds to a command (its pool's checks, retries, events, reply callbacks)
costs more than Redis itself takes for it, so only its connections are used: what greets the server,
with a password or over TLS.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from copy import copy
from math import inf
from time import monotonic
from typing import Any, Self, TypeVar

import redis

from .connection import lost, options, translate
from .errors import CheckpointError, LogUnavailable, ScriptUnknown
from .forks import make_anew_after_fork
from .line import Line
from .packed import pack, pack_call, pack_wait
from .redis_url import usable
from .replies import ErrorReply, needs_another_connection
from .script import Argument, Call, Script
from .steps import LEAST_SECONDS, SyncedCall

T = TypeVar("T")


class Lines:
    """Connections for blocking code, as many as there are calls at a time. Thread-safe.

    A call that fails gives its connection up, and the next one opens another; an error with which
    Redis answers a call is a reply. No call waits for replies beyond `until`, a time of the
    monotonic clock.
    """

    def __init__(self, url: str, timeout: float) -> None:
        """Take Redis' URL, and how many seconds a reply may take; connects when needed."""
        self._pool = redis.ConnectionPool.from_url(usable(url), **options(timeout))
        self._timeout = timeout
        self._free: deque[Line] = deque()
        self._is_pinned = False
        make_anew_after_fork(self)

    def after_fork(self) -> None:
        """Leave the connections to the parent."""
        self._free = deque()

    def execute(self, *words: Argument, until: float = inf) -> Any:
        """Run one command."""
        return self._talk([pack(words)], Line.read, until)

    def run(self, call: Call, until: float = inf) -> Any:
        """Call a script; ScriptUnknown where Redis does not know it."""
        return self._talk([pack_call(call)], Line.read, until)

    def run_synced(self, call: Call, timeout_ms: int, until: float = inf) -> tuple[Any, int]:
        """Call a script, and wait on the same connection for its writes to be on disk."""
        return self._talk((pack_call(call), pack_wait(timeout_ms)), _read_synced, until)

    def run_all(self, calls: Iterable[Call | SyncedCall], until: float = inf) -> list[Any]:
        """Call scripts, sending each while Redis is at work on those before.

        An error with which Redis answers a call stands in place of its reply.
        """
        sent: list[Call | SyncedCall] = []

        def packed() -> Iterable[bytes]:
            for one in calls:
                sent.append(one)
                yield pack_call(one.call if isinstance(one, SyncedCall) else one)
            if waits := [one.timeout_ms for one in sent if isinstance(one, SyncedCall)]:
                yield pack_wait(min(waits))

        outcomes = self._talk(packed(), lambda line: _outcomes(line, sent), until)
        if any(map(needs_another_connection, outcomes)):
            self.close()
        return outcomes

    def run_loaded(self, call: Call) -> Any:
        """Call a script, loading it first where Redis does not know it: see AsyncLines."""
        return self.run_all_loaded([call])[0]

    def run_all_loaded(self, calls: Sequence[Call]) -> list[Any]:
        """Call one script several times in one round trip, as `run_loaded` does."""
        replies = self.run_all(calls)
        # again and again: it may restart at any time
        while any(isinstance(one, ScriptUnknown) for one in replies):
            self.load(calls[0].script)
            replies = self.run_all(calls)
        for one in replies:
            if isinstance(one, CheckpointError):
                raise one
        return replies

    def load(self, script: Script, until: float = inf) -> None:
        """Make Redis know a script."""
        self.execute("SCRIPT", "LOAD", script.text, until=until)

    def pinned(self, until: float = inf) -> Self:
        """Return a connection of its own, which is never made anew: what it talks to is one run.

        LogUnavailable once it is lost.
        """
        other = copy(self)
        other._free, other._is_pinned = deque(), True  # noqa: SLF001 - of its own class
        other._free.append(self._new(until))  # noqa: SLF001 - as above
        make_anew_after_fork(other)
        return other

    def close(self) -> None:
        """Close the connections that are not in use; the others are closed after it."""
        free, self._free = self._free, deque()
        with suppress(IndexError):
            while True:
                free.pop().close()

    def _take(self, until: float) -> Line:
        line = None
        with suppress(IndexError):
            line = self._free.pop()
        if self._is_pinned:
            if line is None:
                raise lost()
            return line
        if line is not None and line.is_sound:
            return line
        if line is not None:
            line.close()
        return self._new(until)

    def _new(self, until: float) -> Line:
        # not the pool's own way, which counts connections up and never down
        patience = self._patience(until)
        limits = {"socket_timeout": patience, "socket_connect_timeout": patience}
        connection = self._pool.connection_class(**self._pool.connection_kwargs | limits)
        return Line.open(connection, patience)

    def _patience(self, until: float) -> float:
        return min(self._timeout, max(LEAST_SECONDS, until - monotonic()))

    def _talk(self, packed: Iterable[bytes], talk: Callable[[Line], T], until: float) -> T:
        line = self._take(until)
        free = self._free
        try:
            line.wait_at_most(self._patience(until))
            line.send(packed)
            reply = talk(line)
        except BaseException as error:
            translation = translate(error, is_new=line.is_new)
            if isinstance(error, ErrorReply) and not needs_another_connection(translation):
                self._give_back(line, free)
            else:
                line.close()
                if isinstance(translation, LogUnavailable):
                    self.close()  # where one has died, the idle ones have too
            if translation:
                raise translation from error
            raise
        self._give_back(line, free)
        return reply

    def _give_back(self, line: Line, free: deque[Line]) -> None:
        """Keep a line for later, unless replies are due or the lines were closed meanwhile."""
        if free is self._free and line.is_quiet:
            free.append(line)
        else:
            line.close()


def _read_synced(line: Line) -> tuple[Any, int]:
    return line.read(), line.read()[0]


def _outcomes(line: Line, calls: Sequence[Call | SyncedCall]) -> list[Any]:
    replies = [_reply_or_error(line) for _ in calls]
    if not any(isinstance(one, SyncedCall) for one in calls):
        return replies
    # one wait is for all that the connection wrote before
    synced = line.read()[0]
    return [one if isinstance(one, CheckpointError) else (one, synced) for one in replies]


def _reply_or_error(line: Line) -> Any:
    try:
        return line.read()
    except ErrorReply as error:
        return translate(error, is_new=line.is_new)
