"""The tail: follows the end of the log, once for all who look at the page."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from checkpoint.events.creation import find_log
from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.errors import CheckpointError, LogNotReady
from checkpoint.events.freshness import last_id
from checkpoint.events.keys import PartitionKeys
from checkpoint.events.script import Argument
from checkpoint.events.settings import Settings
from checkpoint.events.steps import BlockingCommand, Steps
from checkpoint.query.lookup import decoded
from checkpoint.servers import AsyncServers

MOST_ENTRIES = 500
"""Read of one partition at once; where there are more, all jobs count as changed."""
MOST_JOBS = 200
"""Named to a listener at once; where there are more, all jobs count as changed."""
CALM_SECONDS = 0.25
"""Between two readings, so that a busy log does not keep everybody busy."""
AGAIN_SECONDS = 1.0
STOP_SECONDS = 0.5
LONGEST_BLOCK_SECONDS = 1.0


class News(NamedTuple):
    """What changed since a listener was told last."""

    jobs: list[str] | None
    """The jobs with new events; None: any job may have changed."""
    error: str
    """Why the log cannot be followed now, or ""."""


class Listener:
    """Somebody who wants to know. What piles up between two looks takes bounded space."""

    def __init__(self, error: str) -> None:
        """Begin with everything as news."""
        self._jobs: set[str] | None = None
        self._error = error
        self._is_over = False
        self._has_news = asyncio.Event()
        self._has_news.set()

    def tell(self, jobs: Collection[str] | None, error: str) -> None:
        """Add to the news; jobs of None: any may have changed."""
        known = None if jobs is None or self._jobs is None else self._jobs.union(jobs)
        self._jobs = known if known is None or len(known) <= MOST_JOBS else None
        self._error = error
        self._has_news.set()

    def end(self) -> None:
        """Say that there is no more to come."""
        self._is_over = True
        self._has_news.set()

    async def news(self) -> News | None:
        """Wait for news; None when there is no more to come."""
        await self._has_news.wait()
        if self._is_over:
            return None
        self._has_news.clear()
        jobs, self._jobs = self._jobs, set()
        return News(None if jobs is None else sorted(jobs), self._error)


class Tail:
    """Reads what is appended to the log while anybody listens, and tells all of them."""

    def __init__(self, settings: Settings, servers: AsyncServers) -> None:
        """Read through `servers`; nothing is read before somebody listens."""
        self._settings = settings
        self._servers = servers
        self._listeners: set[Listener] = set()
        self._following: asyncio.Task[None] | None = None
        self._error = ""

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[Listener]:
        """Listen as long as the block runs."""
        listener = Listener(self._error)
        self._listeners.add(listener)
        if self._following is None or self._following.done():
            self._following = asyncio.create_task(self._follow(), name="the log's tail")
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
            if not self._listeners:
                await self._stop()

    async def close(self) -> None:
        """Tell all listeners that there is no more to come."""
        for listener in self._listeners:
            listener.end()
        await self._stop()

    async def _stop(self) -> None:
        following, self._following = self._following, None
        while following and not following.done():
            following.cancel()  # again: redis-py may lose one that comes while it connects
            await asyncio.wait([following], timeout=STOP_SECONDS)

    def _tell(self, jobs: Collection[str] | None, error: str = "") -> None:
        self._error = error
        for listener in self._listeners:
            listener.tell(jobs, error)

    async def _follow(self) -> None:
        try:
            while True:
                await self._read_on_or_tell()
        finally:  # whoever still listens comes back
            for listener in self._listeners:
                listener.end()

    async def _read_on_or_tell(self) -> None:
        try:
            await self._read_on()
        except CheckpointError as error:
            if str(error) != self._error:
                self._tell((), str(error))
            await asyncio.sleep(AGAIN_SECONDS)

    async def _read_on(self) -> None:
        log, ends = await self._servers.run(self._ends())
        self._tell(None)
        while True:
            rows = await self._servers.run(self._read(ends))
            if rows is None:
                if (await self._servers.run(find_log(self._settings.namespace))) != log:
                    raise LogNotReady
                continue
            if any(len(entries) == MOST_ENTRIES for _, entries in rows):
                log, ends = await self._servers.run(self._ends())
                self._tell(None)
            else:
                ends |= {key: EntryId.parse(entries[-1][0]) for key, entries in rows}
                self._tell({job for _, entries in rows for job in jobs_of(entries)})
            await asyncio.sleep(CALM_SECONDS)

    def _ends(self) -> Steps[Any]:
        """Find the log, and where each of its partitions ends now."""
        namespace = self._settings.namespace
        log = yield from find_log(namespace)
        if log is None:
            raise LogNotReady(f"Redis holds no log {namespace!r} yet")
        ends = {}
        for number in range(log.partitions):
            partition = PartitionKeys(namespace, number)
            ends[partition.log.encode()] = (yield from last_id(partition)) or ZERO
        return log, ends

    def _read(self, ends: dict[bytes, EntryId]) -> Steps[Any]:
        block = min(LONGEST_BLOCK_SECONDS, self._settings.reply_timeout / 2)
        how = ("COUNT", MOST_ENTRIES, "BLOCK", max(1, round(block * 1000)))
        words: tuple[Argument, ...] = ("XREAD", *how, "STREAMS", *ends, *map(str, ends.values()))
        return (yield BlockingCommand(words))


def jobs_of(entries: Iterable[Any]) -> Iterator[str]:
    """Name the jobs of raw entries; what is no event belongs to none."""
    return (one.event.job for one in decoded(entries))
