"""Waits for the watermark: all of a process' waiters for a partition share one blocking read."""

import asyncio
import os
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import Any, NamedTuple

from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.lines import AsyncLines, Lines
from checkpoint.events.steps import WatermarkWait

POLL_SECONDS = 0.01
"""Between two looks, where a reply may not take long enough to wait for anything."""


class Mark(NamedTuple):
    """A watermark as it was published: it never moves back, so it may be remembered."""

    entry: EntryId = ZERO
    fence_ms: int = 0
    """Redis lost nothing since that time: ms since 1970."""


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
            reply = self._redis.execute(*_question(stream, mark, seconds))
            mark = _answer(reply, mark)
        finally:
            with shared.changed:
                shared.mark, shared.is_read = mark, False
                shared.changed.notify_all()
        if seconds < POLL_SECONDS and not reply:
            sleep(POLL_SECONDS)


@dataclass
class _Followed:
    mark: Mark = NO_MARK
    reading: "asyncio.Task[None] | None" = None


class AsyncWaits:
    """Waits in asyncio code, in one event loop."""

    def __init__(self, redis: AsyncLines, longest: float) -> None:
        """Take lines to Redis, and for how many seconds a read may block."""
        self._redis = redis
        self._longest = longest
        self._streams: defaultdict[str, _Followed] = defaultdict(_Followed)

    async def wait(self, wanted: WatermarkWait) -> Mark | None:
        """Return the mark once it is at an entry or past it; None if the deadline comes first."""
        followed = self._streams[wanted.stream]
        while followed.mark.entry < wanted.entry:
            if (left := wanted.deadline - monotonic()) <= 0:
                return None
            if followed.reading is None:
                seconds = min(left, self._longest)
                reading = asyncio.ensure_future(self._read(wanted.stream, followed, seconds))
                followed.reading = reading
            done, _ = await asyncio.wait([followed.reading], timeout=left)
            for task in done:
                task.result()
        return followed.mark

    async def close(self) -> None:
        """Stop reading."""
        reading = [one.reading for one in self._streams.values() if one.reading]
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)

    async def _read(self, stream: str, followed: _Followed, seconds: float) -> None:
        try:
            reply = await self._redis.execute(*_question(stream, followed.mark, seconds))
            followed.mark = _answer(reply, followed.mark)
            if seconds < POLL_SECONDS and not reply:
                await asyncio.sleep(POLL_SECONDS)
        finally:
            followed.reading = None


def _question(stream: str, mark: Mark, seconds: float) -> tuple[str | int, ...]:
    milliseconds = int(seconds * 1000)
    block = ("BLOCK", milliseconds) if milliseconds else ()
    return ("XREAD", *block, "STREAMS", stream, str(mark.entry))


def _answer(reply: Any, known: Mark) -> Mark:
    if not reply:
        return known
    ((_, rows),) = reply
    entry, fields = rows[-1]
    named = dict(zip(fields[::2], fields[1::2], strict=True))
    # one that an earlier release published says nothing of losses
    fence = int(named[b"fence"]) if b"fence" in named else EntryId.parse(entry).ms
    return Mark(EntryId.parse(entry), fence)
