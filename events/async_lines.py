"""Async lines: the lines of asyncio code, which shares one connection as long as nothing waits."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from copy import copy
from typing import Any, Self

import redis.asyncio

from .connection import lost, options
from .errors import LogUnavailable, ScriptUnknown
from .forks import make_anew_after_fork
from .packed import pack, pack_call, pack_wait
from .redis_url import usable
from .replies import needs_another_connection
from .script import Argument, Call, Script
from .wire import Wire

_PARENTS: list[object] = []
"""Connections of the process that this one was forked from."""


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
        self._pool = redis.asyncio.ConnectionPool.from_url(usable(url), **options(timeout))
        make_anew_after_fork(self)

    def after_fork(self) -> None:
        """Leave the connections to the parent.

        They are kept: to close one, even by forgetting it, would reach into the selector that the
        parent's event loop shares with this process.
        """
        _PARENTS.append((self._shared, self._opening, self._free))
        self._shared, self._opening, self._free = None, None, deque()

    def forget(self) -> None:
        """Leave what is open to another event loop; the next call connects in this one."""
        for wire in (self._shared, *self._free):
            if wire:
                wire.drop()
        self._shared, self._opening, self._free = None, None, deque()

    def __del__(self) -> None:
        """Close what is still open: the event loop would keep it for ever."""
        for wire in (self._shared, *self._free):
            if wire:
                wire.drop()

    async def execute(self, *words: Argument) -> Any:
        """Run one command."""
        return await (await self._wire()).ask(pack(words))

    async def execute_all(self, commands: Iterable[tuple[Argument, ...]]) -> list[Any]:
        """Run commands in one round trip.

        An error with which Redis answers one stands in place of its reply. LogUnavailable where
        the wire is lost: any number of them may have been carried out.
        """
        wire = await self._wire()
        asked = [wire.ask(pack(words)) for words in commands]
        replies = await asyncio.gather(*asked, return_exceptions=True)
        if not wire.is_open and isinstance(replies[-1], LogUnavailable):
            raise replies[-1]
        return replies

    async def block(self, *words: Argument) -> Any:
        """Run one command that may wait for what is yet to happen: nobody else waits with it."""
        async with self._own() as wire:
            return await wire.ask(pack(words))

    async def run(self, call: Call) -> Any:
        """Call a script; ScriptUnknown where Redis does not know it."""
        return await (await self._wire()).ask(pack_call(call))

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
            asked = [wire.ask(packed) for packed in (pack_call(call), pack_wait(timeout_ms))]
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
        self.disconnect()
        await asyncio.sleep(0)  # they close in the event loop's next turn

    def disconnect(self) -> None:
        """Close the connections that are not kept waiting; the others are closed after it."""
        wires, self._shared = [self._shared, *self._free], None
        self._free = deque()
        for wire in wires:
            if wire and wire.is_open:
                wire.close()

    async def _wire(self) -> Wire:
        if self._shared and self._shared.is_open:
            return self._shared
        if self._is_pinned:
            raise lost()
        if self._opening is None:
            self.disconnect()  # where one has died, the idle ones have too
            self._opening = asyncio.ensure_future(self._new())
            self._opening.add_done_callback(self._opened)
        opening, cancellations = self._opening, _cancellations()
        try:
            # the one who began it may be cancelled, while others wait for it too
            wire = await asyncio.shield(opening)
        except asyncio.CancelledError:
            if opening.cancelled() and _cancellations() == cancellations:
                raise lost() from None  # by aclose, and not who waits
            raise
        if not wire.is_open:
            raise lost()  # by aclose too
        return wire

    def _opened(self, opening: "asyncio.Task[Wire]") -> None:
        self._opening = None
        if not opening.cancelled() and not opening.exception():
            self._shared = opening.result()

    @asynccontextmanager
    async def _own(self) -> AsyncIterator[Wire]:
        wire = await self._take()
        free = self._free
        try:
            yield wire
        except BaseException as error:
            wire.close()  # there may be replies to come
            if needs_another_connection(error):
                self.disconnect()
            raise
        if free is self._free:
            free.append(wire)
        else:
            wire.close()

    async def _take(self) -> Wire:
        while self._free:
            if (wire := self._free.pop()).is_open:
                return wire
        if self._is_pinned:
            raise lost()
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


def _cancellations() -> int:
    task = asyncio.current_task()
    return task.cancelling() if task else 0
