"""Lines: connections to Redis that carry a command and bring its reply as it is.

What a client of redis-py adds to a command (its pool's checks, retries, events, reply callbacks)
costs more than Redis itself takes for it, so its connections are used here directly.
"""

import asyncio
import os
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from copy import copy
from time import monotonic
from typing import Any, Self, TypeVar, cast

import hiredis
import redis
import redis.asyncio

from .connection import options, translate, valid
from .errors import LogUnavailable, ScriptUnknown
from .script import Argument, Call, Script

T = TypeVar("T")

SURE_SECONDS = 0.5
"""A connection that was used so lately is taken as it is; an idle one is looked at first."""

_pack: Callable[[tuple[Argument, ...]], bytes] = cast(Any, hiredis.pack_command)


class Lines:
    """Connections for blocking code, as many as there are calls at a time. Thread-safe.

    A call that fails gives its connection up; the next one opens another.
    """

    def __init__(self, url: str, timeout: float) -> None:
        """Take Redis' URL, and how many seconds a reply may take; connects when needed."""
        with valid(url):
            self._pool = redis.ConnectionPool.from_url(url, **options(timeout))
        self._free: deque[Any] = deque()
        self._is_pinned = False
        self._pid = os.getpid()

    def execute(self, *words: Argument) -> Any:
        """Run one command."""
        return self._talk([_pack(words)], _read_one)

    def run(self, call: Call) -> Any:
        """Call a script; ScriptUnknown where Redis does not know it."""
        return self.execute(*_evalsha(call))

    def run_synced(self, call: Call, timeout_ms: int) -> tuple[Any, int]:
        """Call a script, and wait on the same connection for its writes to be on disk."""
        return self._talk(_synced(call, timeout_ms), _read_synced)

    def load(self, script: Script) -> None:
        """Make Redis know a script."""
        self.execute("SCRIPT", "LOAD", script.text)

    def pinned(self) -> Self:
        """Return a connection of its own, which is never made anew: what it talks to is one run.

        LogUnavailable once it is lost.
        """
        other = copy(self)
        other._free, other._is_pinned = deque(), True  # noqa: SLF001 - of its own class
        line = self._new()
        try:
            line.connect()
        except BaseException as error:
            raise translate(error) or error from error
        other._free.append((line, monotonic()))  # noqa: SLF001 - as above
        return other

    def close(self) -> None:
        """Close the connections that are not in use."""
        with suppress(IndexError):
            while True:
                self._free.pop()[0].disconnect()

    def _take(self) -> Any:
        if self._is_pinned:
            return _only(self._free)[0]
        if self._pid != os.getpid():  # after a fork, the connections are the parent's
            self._free, self._pid = deque(), os.getpid()
        with suppress(IndexError):
            line, used = self._free.pop()
            if monotonic() - used > SURE_SECONDS and not _is_quiet(line):
                line.disconnect()
            return line
        return self._new()

    def _new(self) -> Any:
        # not the pool's own way, which counts connections up and never down
        return self._pool.connection_class(**self._pool.connection_kwargs)

    def _talk(self, packed: list[bytes], talk: Callable[[Any], T]) -> T:
        line = self._take()
        try:
            line.send_packed_command(packed)
            reply = talk(line)
        except BaseException as error:
            line.disconnect()
            translation = translate(error)
            if isinstance(translation, LogUnavailable):
                self.close()  # where one has died, the idle ones have too
            if translation:
                raise translation from error
            raise
        self._free.append((line, monotonic()))
        return reply


class AsyncLines:
    """Connections for asyncio code, as many as there are calls at a time, in one event loop."""

    def __init__(self, url: str, timeout: float) -> None:
        """Take Redis' URL, and how many seconds a reply may take; connects when needed."""
        with valid(url):
            self._pool = redis.asyncio.ConnectionPool.from_url(url, **options(timeout))
        self._free: deque[Any] = deque()
        self._is_pinned = False

    async def execute(self, *words: Argument) -> Any:
        """Run one command."""
        return await self._talk([_pack(words)], _await_one)

    async def run(self, call: Call) -> Any:
        """Call a script; ScriptUnknown where Redis does not know it."""
        return await self.execute(*_evalsha(call))

    async def run_loaded(self, call: Call) -> Any:
        """Call a script, loading it first where Redis does not know it yet.

        For workers, whose scripts compare positions themselves: what they write of an older state
        is what a restore overwrites.
        """
        try:
            return await self.run(call)
        except ScriptUnknown:
            await self.load(call.script)
            return await self.run(call)

    async def run_all_loaded(self, calls: Sequence[Call]) -> list[Any]:
        """Call one script several times in one round trip, as `run_loaded` does."""

        async def read(line: Any) -> list[Any]:
            return [await line.read_response() for _ in calls]

        packed = [_pack(_evalsha(call)) for call in calls]
        try:
            return await self._talk(packed, read)
        except ScriptUnknown:
            await self.load(calls[0].script)
            return await self._talk(packed, read)

    async def run_synced(self, call: Call, timeout_ms: int) -> tuple[Any, int]:
        """Call a script, and wait on the same connection for its writes to be on disk."""
        return await self._talk(_synced(call, timeout_ms), _await_synced)

    async def load(self, script: Script) -> None:
        """Make Redis know a script."""
        await self.execute("SCRIPT", "LOAD", script.text)

    async def pinned(self) -> Self:
        """Return a connection of its own, which is never made anew: see Lines.pinned."""
        other = copy(self)
        other._free, other._is_pinned = deque(), True  # noqa: SLF001 - of its own class
        line = self._new()
        try:
            await line.connect()
        except BaseException as error:
            raise translate(error) or error from error
        other._free.append(line)  # noqa: SLF001 - as above
        return other

    async def aclose(self) -> None:
        """Close the connections that are not in use."""
        while self._free:
            await self._free.pop().disconnect()

    def _new(self) -> Any:
        return self._pool.connection_class(**self._pool.connection_kwargs)

    async def _talk(self, packed: list[bytes], talk: Callable[[Any], Awaitable[T]]) -> T:
        if self._is_pinned:
            line = _only(self._free)
        else:
            line = self._free.pop() if self._free else self._new()
        cancellations = _cancellations()
        try:
            if not line.is_connected:
                await line.connect()
            await line.send_packed_command(packed)
            reply = await talk(line)
        except BaseException as error:
            await line.disconnect(nowait=True)
            _raise_if_cancelled_since(cancellations)
            translation = translate(error)
            if isinstance(translation, LogUnavailable):
                await self.aclose()
            if translation:
                raise translation from error
            raise
        self._free.append(line)
        _raise_if_cancelled_since(cancellations)
        return reply


def _only(free: deque[Any]) -> Any:
    if not free:
        raise LogUnavailable("The connection to Redis was lost; what it was for must begin anew")
    return free.pop()


def _cancellations() -> int:
    task = asyncio.current_task()
    return task.cancelling() if task else 0


def _raise_if_cancelled_since(cancellations: int) -> None:
    # redis-py sends under asyncio.wait_for, which before Python 3.12 may swallow a cancellation
    if _cancellations() > cancellations:
        raise asyncio.CancelledError


def _is_quiet(line: Any) -> bool:
    """Say if a connection is as it was left: with nothing to read, not even its end."""
    try:
        return not line.can_read(0)
    except (redis.ConnectionError, OSError):
        return False


def _read_one(line: Any) -> Any:
    return line.read_response()


def _read_synced(line: Any) -> tuple[Any, int]:
    return line.read_response(), line.read_response()[0]


async def _await_one(line: Any) -> Any:
    return await line.read_response()


async def _await_synced(line: Any) -> tuple[Any, int]:
    return await line.read_response(), (await line.read_response())[0]


def _evalsha(call: Call) -> tuple[Argument, ...]:
    return ("EVALSHA", call.script.sha, len(call.keys), *call.keys, *call.args)


def _synced(call: Call, timeout_ms: int) -> list[bytes]:
    return [_pack(_evalsha(call)), _pack(("WAITAOF", 1, 0, timeout_ms))]
