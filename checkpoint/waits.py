"""Waits for the watermark: those of a process share their blocking reads."""

import asyncio
import os
import threading
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import Any, NamedTuple

from checkpoint.events.async_lines import AsyncLines
from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.errors import CheckpointError
from checkpoint.events.lines import Lines
from checkpoint.events.steps import WatermarkWait

POLL_SECONDS = 0.01
"""Between two looks, where a reply may not take long enough to wait for anything."""


class Mark(NamedTuple):
    """A watermark as it was published: it never moves back, so it may be remembered."""

    entry: EntryId = ZERO
    fence_ms: int = 0
    """Redis lost nothing since that time: ms since 1970."""
    dead: EntryId = ZERO
    """Of what the archive has after this entry, nothing is a dead letter."""


NO_MARK = Mark()


@dataclass
class _Shared:
    mark: Mark = NO_MARK
    changed: threading.Condition = field(default_factory=threading.Condition)
    is_read: bool = False


class Waits:
    """Waits in blocking code. Thread-safe."""

    def __init__(self, redis: Lines, longest: float) -> None:
        """Take lines to Redis, and for how many seconds a read may block."""
        self._redis = redis
        self._longest = longest
        self._streams: defaultdict[str, _Shared] = defaultdict(_Shared)
        self._pid = os.getpid()

    def wait(self, wanted: WatermarkWait) -> Mark | None:
        """Return the mark once it is at an entry or past it; None if the deadline comes first."""
        if self._pid != os.getpid():  # after a fork, the parent's threads read for the parent
            self._streams, self._pid = defaultdict(_Shared), os.getpid()
        shared = self._streams[wanted.stream]
        while True:
            with shared.changed:
                if shared.mark.entry >= wanted.entry:
                    return shared.mark
                if (left := wanted.deadline - monotonic()) <= 0:
                    return None
                if shared.is_read:
                    shared.changed.wait(left)
                    continue
                shared.is_read = True
            self._read(wanted.stream, shared, min(left, self._longest))

    def _read(self, stream: str, shared: _Shared, seconds: float) -> None:
        mark = shared.mark
        try:
            marks = _answer(self._redis.execute(*_question({stream: mark}, seconds)))
            mark = marks.get(stream, mark)
        finally:
            with shared.changed:
                shared.mark, shared.is_read = mark, False
                shared.changed.notify_all()
        if seconds < POLL_SECONDS and not marks:
            sleep(POLL_SECONDS)


class _Waiter(NamedTuple):
    entry: EntryId
    mark: "asyncio.Future[Mark | None]"


class AsyncWaits:
    """Waits in asyncio code, in one event loop."""

    def __init__(self, redis: AsyncLines, longest: float) -> None:
        """Take lines to Redis, and for how many seconds a read may block."""
        self._redis = redis
        self._longest = longest
        self._marks: defaultdict[str, Mark] = defaultdict(Mark)
        self._waiters: dict[str, list[_Waiter]] = {}
        self._read: set[str] = set()
        self._readers: set[asyncio.Task[None]] = set()

    async def wait(self, wanted: WatermarkWait) -> Mark | None:
        """Return the mark once it is at an entry or past it; None if the deadline comes first."""
        stream, entry, deadline = wanted.stream, wanted.entry, wanted.deadline
        if self._marks[stream].entry >= entry:
            return self._marks[stream]
        loop = asyncio.get_running_loop()
        waiter = _Waiter(entry, loop.create_future())
        giving_up = loop.call_later(deadline - monotonic(), _give_up, waiter.mark)
        if stream not in self._waiters and stream not in self._read:
            self._begin()
        self._waiters.setdefault(stream, []).append(waiter)
        try:
            return await waiter.mark
        finally:
            giving_up.cancel()

    async def close(self) -> None:
        """Stop reading."""
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        for waiters in self._waiters.values():
            for one in waiters:
                _give_up(one.mark)
        self._waiters.clear()

    def _begin(self) -> None:
        reader = asyncio.ensure_future(self._follow())
        self._readers.add(reader)
        reader.add_done_callback(self._readers.discard)

    async def _follow(self) -> None:
        """Read all at once what is waited for and nobody reads, again and again."""
        while streams := self._waiters.keys() - self._read:
            self._read |= streams
            try:
                self._marks |= await self._look({one: self._marks[one] for one in streams})
                self._settle(streams)
            except CheckpointError as error:
                self._fail(streams, error)
            finally:
                self._read -= streams

    async def _look(self, known: Mapping[str, Mark]) -> dict[str, Mark]:
        marks = _answer(await self._redis.block(*_question(known, self._longest)))
        if self._longest < POLL_SECONDS and not marks:
            await asyncio.sleep(POLL_SECONDS)
        return marks

    def _settle(self, streams: Collection[str]) -> None:
        for stream in streams:
            mark, waiters = self._marks[stream], self._waiters.pop(stream)
            for one in waiters:
                if one.entry <= mark.entry and not one.mark.done():
                    one.mark.set_result(mark)
            if left := [one for one in waiters if not one.mark.done()]:
                self._waiters[stream] = left

    def _fail(self, streams: Collection[str], error: CheckpointError) -> None:
        for stream in streams:
            for one in self._waiters.pop(stream):
                if not one.mark.done():
                    one.mark.set_exception(error)


def _give_up(mark: "asyncio.Future[Mark | None]") -> None:
    if not mark.done():
        mark.set_result(None)


def _question(known: Mapping[str, Mark], seconds: float) -> tuple[str | int, ...]:
    milliseconds = int(seconds * 1000)
    block = ("BLOCK", milliseconds) if milliseconds else ()
    return ("XREAD", *block, "STREAMS", *known, *(str(mark.entry) for mark in known.values()))


def _answer(reply: Any) -> dict[str, Mark]:
    return {stream.decode(): _mark(*rows[-1]) for stream, rows in reply or ()}


def _mark(entry: bytes, fields: list[bytes]) -> Mark:
    named = dict(zip(fields[::2], fields[1::2], strict=True))
    marked = EntryId.parse(entry)
    # one that an earlier release published says nothing of losses, or of dead letters
    fence = int(named[b"fence"]) if b"fence" in named else marked.ms
    return Mark(marked, fence, EntryId.parse(named.get(b"dead", entry)))
