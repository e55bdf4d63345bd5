"""Waits for the watermark: those of a process share their blocking reads."""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import Any, NamedTuple

from checkpoint.events.async_lines import AsyncLines
from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.errors import CheckpointError, LogUnavailable
from checkpoint.events.forks import make_anew_after_fork
from checkpoint.events.lines import Lines
from checkpoint.events.steps import WAKE_SECONDS, WatermarkWait

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
    reader: int | None = None
    """The thread that reads the stream."""


class Waits:
    """Waits in blocking code. Thread-safe."""

    def __init__(self, redis: Lines, longest: float) -> None:
        """Take lines to Redis, and for how many seconds a read may block."""
        self._redis = redis
        self._longest = longest
        self.after_fork()
        make_anew_after_fork(self)

    def after_fork(self) -> None:
        """Forget the waits: threads of the parent read for the parent."""
        self._streams: defaultdict[str, _Shared] = defaultdict(_Shared)

    def wait(self, wanted: WatermarkWait) -> Mark | None:
        """Return the mark once it is at an entry or past it; None if the deadline comes first."""
        shared = self._streams[wanted.stream]
        try:
            return self._wait(wanted, shared)
        finally:
            if shared.reader == threading.get_ident():  # it was interrupted
                self._end_reading(shared)

    def _wait(self, wanted: WatermarkWait, shared: _Shared) -> Mark | None:
        while True:
            with shared.changed:
                if shared.mark.entry >= wanted.entry:
                    return shared.mark
                if (left := wanted.deadline - monotonic()) <= 0:
                    return None
                # a signal handler interrupts the reader, so that it cannot wait for it
                if shared.reader not in (None, threading.get_ident()):
                    shared.changed.wait(left)
                    continue
                shared.reader = threading.get_ident()
            self._read(wanted, shared, min(left, self._longest))

    def _read(self, wanted: WatermarkWait, shared: _Shared, seconds: float) -> None:
        stream, until = wanted.stream, wanted.deadline + WAKE_SECONDS
        question = _question({stream: shared.mark}, seconds)
        marks = _answer(self._redis.execute(*question, until=until))
        shared.mark = max(shared.mark, marks.get(stream, shared.mark))
        self._end_reading(shared)
        if seconds < POLL_SECONDS and not marks:
            sleep(POLL_SECONDS)

    def _end_reading(self, shared: _Shared) -> None:
        with shared.changed:
            shared.reader = None
            shared.changed.notify_all()


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
        self.forget()
        make_anew_after_fork(self)

    def after_fork(self) -> None:
        """Forget the waits, whose tasks are the parent's."""
        self.forget()

    def forget(self) -> None:
        """Forget the waits of another event loop."""
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
        is_followed = stream in self._waiters or stream in self._read
        self._waiters.setdefault(stream, []).append(waiter)
        try:
            if not is_followed:
                self._begin()
            return await waiter.mark
        finally:
            giving_up.cancel()
            self._leave(stream, waiter)

    def _leave(self, stream: str, waiter: _Waiter) -> None:
        """Take a waiter that was cancelled off the list, and the list with the last one."""
        waiters = self._waiters.get(stream, [])
        if waiter in waiters:
            waiters.remove(waiter)
        if not waiters:
            self._waiters.pop(stream, None)

    async def close(self) -> None:
        """Stop reading."""
        for waiters in self._waiters.values():
            for one in waiters:
                _give_up(one.mark)
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
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
            except BaseException:  # the event loop ends, and this task is cancelled with it
                unread = self._waiters.keys() - (self._read - streams)
                self._fail(unread, LogUnavailable("The wait for the archive was cancelled"))
                raise
            finally:
                self._read -= streams

    async def _look(self, known: Mapping[str, Mark]) -> dict[str, Mark]:
        marks = _answer(await self._redis.block(*_question(known, self._longest)))
        if self._longest < POLL_SECONDS and not marks:
            await asyncio.sleep(POLL_SECONDS)
        return marks

    def _settle(self, streams: Collection[str]) -> None:
        for stream in streams:
            mark, waiters = self._marks[stream], self._waiters.pop(stream, [])
            for one in waiters:
                if one.entry <= mark.entry and not one.mark.done():
                    one.mark.set_result(mark)
            if left := [one for one in waiters if not one.mark.done()]:
                self._waiters[stream] = left

    def _fail(self, streams: Collection[str], error: CheckpointError) -> None:
        for stream in streams:
            for one in self._waiters.pop(stream, []):
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
