"""The snapshotter: batches slices of the log into the archive, each once."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from checkpoint.events import watermark
from checkpoint.events.crash_point import crash_point
from checkpoint.events.entry import decode_all
from checkpoint.events.entry_id import EntryId
from checkpoint.events.errors import ArchiveUnavailable, LogUnavailable
from checkpoint.events.keys import PartitionKeys, pipelines, read_pipelines
from checkpoint.events.lines import AsyncLines
from checkpoint.events.outage import Outage
from checkpoint.events.slices import Slice
from checkpoint.events.work import Observe, Stopwatch, unobserved

from .archive import Archive
from .pipelines import keep
from .storing import Chapter

log = logging.getLogger(__name__)

T = TypeVar("T")

ENTRIES_PER_COMMIT = 20_000
"""How much one transaction takes at most: many small slices share a commit, large ones do not."""


class _Pending(NamedTuple):
    part: Slice
    settle: Callable[[bool], None]


class Snapshotter:
    """Stores slices of all partitions in shared transactions and publishes the watermarks."""

    def __init__(
        self,
        redis: AsyncLines,
        archive: Archive,
        namespace: str,
        margin_ms: int,
        observe: Observe = unobserved,
    ) -> None:
        """Take lines to the log's Redis, the archive, and how long entries stay in the log.

        `observe` hears of every commit.
        """
        self._redis = redis
        self._archive = archive
        self._namespace = namespace
        self._margin_ms = margin_ms
        self._observe = observe
        self._queue: asyncio.Queue[_Pending] = asyncio.Queue(maxsize=64)
        self._pipelines: dict[str, tuple[str, ...]] = {}

    async def position(self, partition: int) -> EntryId:
        """Return the last entry id that the archive has of a partition, and publish it."""
        positions = await self._patiently(lambda: asyncio.to_thread(self._archive.positions))
        position = positions[partition]
        await self._publish({partition: position})
        return position

    async def put(self, part: Slice, settle: Callable[[bool], None]) -> None:
        """Hand in a slice; waits while many are pending.

        `settle` is told at last if the slice is committed, or if entries before it are missing,
        and nothing was stored.
        """
        await self._queue.put(_Pending(part, settle))

    async def run(self) -> None:
        """Store what is handed in, for ever: all that is pending shares a transaction."""
        while True:
            batch = [await self._queue.get()]
            entries = len(batch[0].part.entries)
            while entries < ENTRIES_PER_COMMIT and not self._queue.empty():
                batch.append(self._queue.get_nowait())
                entries += len(batch[-1].part.entries)
            await self._store(batch)

    async def trim(self, partitions: Iterable[int]) -> int:
        """Drop from the log what view and archive both have; return how many entries."""
        return sum(
            [
                await self._redis.run_loaded(watermark.trim(self._keys(number), self._margin_ms))
                for number in partitions
            ]
        )

    async def keep_pipelines(self) -> None:
        """Copy to the archive what managers have declared, if it is not what is known there."""
        found = read_pipelines(await self._redis.execute("HGETALL", pipelines(self._namespace)))
        if found != self._pipelines:
            await asyncio.to_thread(keep, found, self._archive)
            self._pipelines = found

    async def _store(self, batch: list[_Pending]) -> None:
        chapters = [_chapter(pending.part) for pending in batch]
        positions = await self._patiently(lambda: self._commit(chapters))
        crash_point("archive: after the commit")
        for part, settle in batch:
            settle(positions[part.partition] >= part.last)
        await self._publish(positions)
        crash_point("archive: after the watermark")

    async def _commit(self, chapters: Sequence[Chapter]) -> dict[int, EntryId]:
        watch = Stopwatch()
        positions = await asyncio.to_thread(self._archive.store, chapters)
        dead = sum(len(chapter.dead) for chapter in chapters)
        self._observe(watch.stop([chapter.entries for chapter in chapters], dead))
        return positions

    async def _publish(self, positions: Mapping[int, EntryId]) -> None:
        publish = [
            watermark.publish(self._keys(partition), position)
            for partition, position in positions.items()
            if position.ms
        ]
        if publish:
            await self._patiently(lambda: self._redis.run_all_loaded(publish))

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask a server again and again while it is away: the log waits."""
        outage = Outage(log)
        while True:
            try:
                answer = await ask()
            except (ArchiveUnavailable, LogUnavailable) as error:
                await asyncio.sleep(outage.wait(error))
            else:
                outage.over()
                return answer

    def _keys(self, partition: int) -> PartitionKeys:
        return PartitionKeys(self._namespace, partition)


def _chapter(part: Slice) -> Chapter:
    entries, dead = decode_all(part.entries)
    return Chapter(part.partition, part.after, part.last, entries, dead)
