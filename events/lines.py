"""Lines: connections to Redis that carry a command and bring its reply as it is.

What a client of redis-py adds to a command (its pool's checks, retries, events, reply callbacks)
costs more than Redis itself takes for it, so its connections are used here directly.
"""

import os
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import redis
import redis.asyncio
from hiredis import pack_command

from .connection import options, translate, valid
from .script import Argument, Call, Script

T = TypeVar("T")


class Lines:
    """Connections for blocking code, as many as there are calls at a time. Thread-safe.

    A call that fails gives its connection up; the next one opens another.
    """

    def __init__(self, url: str, timeout: float) -> None:
        """Take Redis' URL, and how many seconds a reply may take; connects when needed."""
        with valid(url):
            self._pool = redis.ConnectionPool.from_url(url, **options(timeout))
        self._free: deque[Any] = deque()
        self._pid = os.getpid()

    def execute(self, *words: Argument) -> Any:
        """Run one command."""
        return self._talk([pack_command(words)], _read_one)

    def run(self, call: Call) -> Any:
        """Call a script; ScriptUnknown where Redis does not know it."""
        return self.execute(*_evalsha(call))

    def run_synced(self, call: Call, timeout_ms: int) -> tuple[Any, int]:
        """Call a script, and wait on the same connection for its writes to be on disk."""
        return self._talk(_synced(call, timeout_ms), _read_synced)

    def load(self, script: Script) -> None:
        """Make Redis know a script."""
        self.execute("SCRIPT", "LOAD", script.text)

    def close(self) -> None:
        """Close the connections that are not in use."""
        while self._free:
            self._free.pop().disconnect()

    def _take(self) -> Any:
        if self._pid != os.getpid():  # after a fork, the connections are the parent's
            self._free, self._pid = deque(), os.getpid()
        try:
            return self._free.pop()
        except IndexError:
            return self._pool.make_connection()

    def _talk(self, packed: list[bytes], talk: Callable[[Any], T]) -> T:
        line = self._take()
        try:
            line.send_packed_command(packed)
            reply = talk(line)
        except BaseException as error:
            line.disconnect()
            if translation := translate(error):
                raise translation from error
            raise
        self._free.append(line)
        return reply


class AsyncLines:
    """Connections for asyncio code, as many as there are calls at a time, in one event loop."""

    def __init__(self, url: str, timeout: float) -> None:
        """Take Redis' URL, and how many seconds a reply may take; connects when needed."""
        with valid(url):
            self._pool = redis.asyncio.ConnectionPool.from_url(url, **options(timeout))
        self._free: deque[Any] = deque()

    async def execute(self, *words: Argument) -> Any:
        """Run one command."""
        return await self._talk([pack_command(words)], _await_one)

    async def run(self, call: Call) -> Any:
        """Call a script; ScriptUnknown where Redis does not know it."""
        return await self.execute(*_evalsha(call))

    async def run_synced(self, call: Call, timeout_ms: int) -> tuple[Any, int]:
        """Call a script, and wait on the same connection for its writes to be on disk."""
        return await self._talk(_synced(call, timeout_ms), _await_synced)

    async def load(self, script: Script) -> None:
        """Make Redis know a script."""
        await self.execute("SCRIPT", "LOAD", script.text)

    async def close(self) -> None:
        """Close the connections that are not in use."""
        while self._free:
            await self._free.pop().disconnect()

    async def _talk(self, packed: list[bytes], talk: Callable[[Any], Awaitable[T]]) -> T:
        line = self._free.pop() if self._free else self._pool.make_connection()
        try:
            if not line.is_connected:
                await line.connect()
            await line.send_packed_command(packed)
            reply = await talk(line)
        except BaseException as error:
            await line.disconnect(nowait=True)
            if translation := translate(error):
                raise translation from error
            raise
        self._free.append(line)
        return reply


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
    return [pack_command(_evalsha(call)), pack_command(("WAITAOF", 1, 0, timeout_ms))]
