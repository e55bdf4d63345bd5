"""Lines: connections to Redis that carry a command and bring its reply as it is.

What a client of redis-py adds to a command (its pool's checks, retries, events, reply callbacks)
costs more than Redis itself takes for it, so only its connections are used: what greets the server,
with a password or over TLS.
"""

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from copy import copy
from typing import Any, Self, TypeVar, cast

import hiredis
import redis
import redis.asyncio

from .connection import options, translate, valid
from .errors import CheckpointError, LogUnavailable, ScriptUnknown
from .line import Line
from .script import Argument, Call, Script
from .steps import SyncedCall
from .wire import Wire

T = TypeVar("T")

_pack: Callable[[tuple[Argument, ...]], bytes] = cast(Any, hiredis.pack_command)


class Lines:
    """Connections for blocking code, as many as there are calls at a time. Thread-safe.

    A call that fails gives its connection up; the next one opens another.
    """

    def __init__(self, url: str, timeout: float) -> None:
        """Take Redis' URL, and how many seconds a reply may take; connects when needed."""
        with valid(url):
            self._pool = redis.ConnectionPool.from_url(url, **options(timeout))
        self._free: deque[Line] = deque()
        self._is_pinned = False
        self._pid = os.getpid()

    def execute(self, *words: Argument) -> Any:
        """Run one command."""
        return self._talk([_pack(words)], Line.read)

    def run(self, call: Call) -> Any:
        """Call a script; ScriptUnknown where Redis does not know it."""
        return self._talk([_pack(_evalsha(call))], Line.read)

    def run_synced(self, call: Call, timeout_ms: int) -> tuple[Any, int]:
        """Call a script, and wait on the same connection for its writes to be on disk."""
        return self._talk(_synced(call, timeout_ms), _read_synced)

    def run_all(self, calls: Iterable[Call | SyncedCall]) -> list[Any]:
        """Call scripts, sending each while Redis is at work on those before.

        An error with which Redis answers a call stands in place of its reply.
        """
        sent: list[Call | SyncedCall] = []

        def packed() -> Iterable[bytes]:
            for one in calls:
                sent.append(one)
                yield _pack(_evalsha(one.call if isinstance(one, SyncedCall) else one))
            if waits := [one.timeout_ms for one in sent if isinstance(one, SyncedCall)]:
                yield _waitaof(min(waits))

        return self._talk(packed(), lambda line: _outcomes(line, sent))

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

    def load(self, script: Script) -> None:
        """Make Redis know a script."""
        self.execute("SCRIPT", "LOAD", script.text)

    def pinned(self) -> Self:
        """Return a connection of its own, which is never made anew: what it talks to is one run.

        LogUnavailable once it is lost.
        """
        other = copy(self)
        other._free, other._is_pinned = deque(), True  # noqa: SLF001 - of its own class
        other._free.append(self._new())  # noqa: SLF001 - as above
        return other

    def close(self) -> None:
        """Close the connections that are not in use."""
        with suppress(IndexError):
            while True:
                self._free.pop().close()

    def _take(self) -> Line:
        if self._is_pinned:
            return _only(self._free)
        if self._pid != os.getpid():  # after a fork, the connections are the parent's
            self._free, self._pid = deque(), os.getpid()
        try:
            line = self._free.pop()
        except IndexError:
            return self._new()
        if line.is_sound:
            return line
        line.close()
        return self._new()

    def _new(self) -> Line:
        # not the pool's own way, which counts connections up and never down
        return Line.open(self._pool.connection_class(**self._pool.connection_kwargs))

    def _talk(self, packed: Iterable[bytes], talk: Callable[[Line], T]) -> T:
        line = self._take()
        try:
            line.send(packed)
            reply = talk(line)
        except BaseException as error:
            line.close()
            translation = translate(error)
            if isinstance(translation, LogUnavailable):
                self.close()  # where one has died, the idle ones have too
            if translation:
                raise translation from error
            raise
        self._free.append(line)
        return reply


class AsyncLines:
    """Connections for asyncio code, in one event loop: a wire that all calls share.

    What keeps a connection waiting has a wire of its own meanwhile. Where a wire is lost, all that
    was asked over it fails with LogUnavailable, and the next call opens another.
    """

    def __init__(self, url: str, timeout: float) -> None:
        """Take Redis' URL, and how many seconds a reply may take; connects when needed."""
        self._timeout = timeout
        self._shared: Wire | None = None
        self._opening: asyncio.Task[Wire] | None = None
        self._free: deque[Wire] = deque()
        self._is_pinned = False
        with valid(url):
            self._pool = redis.asyncio.ConnectionPool.from_url(url, **options(timeout))

    def __del__(self) -> None:
        """Close what is still open: the event loop would keep it for ever."""
        for wire in (self._shared, *self._free):
            if wire:
                wire.drop()

    async def execute(self, *words: Argument) -> Any:
        """Run one command."""
        return await (await self._wire()).ask(_pack(words))

    async def execute_all(self, commands: Iterable[tuple[Argument, ...]]) -> list[Any]:
        """Run commands in one round trip.

        An error with which Redis answers one stands in place of its reply. LogUnavailable where
        the wire is lost: any number of them may have been carried out.
        """
        wire = await self._wire()
        asked = [wire.ask(_pack(words)) for words in commands]
        replies = await asyncio.gather(*asked, return_exceptions=True)
        if not wire.is_open and isinstance(replies[-1], LogUnavailable):
            raise replies[-1]
        return replies

    async def block(self, *words: Argument) -> Any:
        """Run one command that may wait for what is yet to happen: nobody else waits with it."""
        async with self._own() as wire:
            return await wire.ask(_pack(words))

    async def run(self, call: Call) -> Any:
        """Call a script; ScriptUnknown where Redis does not know it."""
        return await (await self._wire()).ask(_pack(_evalsha(call)))

    async def run_loaded(self, call: Call) -> Any:
        """Call a script, loading it first where Redis does not know it yet.

        For workers, whose scripts compare positions themselves: what they write of an older state
        is what a restore overwrites.
        """
        while True:  # Redis may restart at any time
            try:
                return await self.run(call)
            except ScriptUnknown:
                await self.load(call.script)

    async def run_synced(self, call: Call, timeout_ms: int) -> tuple[Any, int]:
        """Call a script, and wait on the same connection for its writes to be on disk."""
        async with self._own() as wire:
            asked = [wire.ask(packed) for packed in _synced(call, timeout_ms)]
            reply, (synced, _) = await asyncio.gather(*asked)
            return reply, synced

    async def load(self, script: Script) -> None:
        """Make Redis know a script."""
        await self.execute("SCRIPT", "LOAD", script.text)

    async def pinned(self) -> Self:
        """Return a connection of its own, which is never made anew: see Lines.pinned."""
        wire = await self._new()
        other = copy(self)
        other._free, other._is_pinned = deque(), True  # noqa: SLF001 - of its own class
        other._shared, other._opening = wire, None  # noqa: SLF001 - as above
        return other

    async def aclose(self) -> None:
        """Close the connections that are not kept waiting."""
        if opening := self._opening:
            opening.cancel()
            await asyncio.wait([opening])  # it may have connected all the same
        shared, self._shared = self._shared, None
        for wire in (shared, *self._free) if shared else self._free:
            wire.close()
        self._free.clear()
        await asyncio.sleep(0)  # they close in the event loop's next turn

    async def _wire(self) -> Wire:
        if self._shared and self._shared.is_open:
            return self._shared
        if self._is_pinned:
            raise _lost()
        if self._opening is None:
            self._opening = asyncio.ensure_future(self._new())
            self._opening.add_done_callback(self._opened)
        opening, cancellations = self._opening, _cancellations()
        try:
            # the one who began it may be cancelled, while others wait for it too
            wire = await asyncio.shield(opening)
        except asyncio.CancelledError:
            if opening.cancelled() and _cancellations() == cancellations:
                raise _lost() from None  # by aclose, and not who waits
            raise
        if not wire.is_open:
            raise _lost()  # by aclose too
        return wire

    def _opened(self, opening: "asyncio.Task[Wire]") -> None:
        self._opening = None
        if not opening.cancelled() and not opening.exception():
            self._shared = opening.result()

    @asynccontextmanager
    async def _own(self) -> AsyncIterator[Wire]:
        wire = await self._take()
        try:
            yield wire
        except BaseException:
            wire.close()  # there may be replies to come
            raise
        self._free.append(wire)

    async def _take(self) -> Wire:
        while self._free:
            if (wire := self._free.pop()).is_open:
                return wire
        if self._is_pinned:
            raise _lost()
        return await self._new()

    async def _new(self) -> Wire:
        connection: Any = self._pool.connection_class(**self._pool.connection_kwargs)
        cancellations = _cancellations()
        wire = await Wire.open(connection, self._timeout)
        # redis-py connects under asyncio.wait_for, which before Python 3.12 may swallow one
        if _cancellations() > cancellations:
            wire.close()
            raise asyncio.CancelledError
        return wire


def _lost() -> LogUnavailable:
    return LogUnavailable("The connection to Redis was lost; what it was for must begin anew")


def _only(free: deque[T]) -> T:
    if not free:
        raise _lost()
    return free.pop()


def _cancellations() -> int:
    task = asyncio.current_task()
    return task.cancelling() if task else 0


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
    except redis.ResponseError as error:
        return translate(error)


def _evalsha(call: Call) -> tuple[Argument, ...]:
    return ("EVALSHA", call.script.sha, len(call.keys), *call.keys, *call.args)


def _synced(call: Call, timeout_ms: int) -> list[bytes]:
    return [_pack(_evalsha(call)), _waitaof(timeout_ms)]


def _waitaof(timeout_ms: int) -> bytes:
    return _pack(("WAITAOF", 1, 0, timeout_ms))
