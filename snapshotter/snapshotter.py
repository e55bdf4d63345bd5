"""The snapshotter: batches slices of the log into the archive, each once."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import NamedTuple, TypeVar

from checkpoint.events import watermark
from checkpoint.events.crash_point import crash_point
from checkpoint.events.entry import decode_all
from checkpoint.events.entry_id import EntryId
from checkpoint.events.keys import PartitionKeys, pipelines, read_pipelines
from checkpoint.events.lines import Lines
from checkpoint.events.outage import AWAY, Outage
from checkpoint.events.slices import Slice
from checkpoint.events.work import Observe, Stopwatch, unobserved

from .archive import Archive
from .pipelines import keep
from .storing import Archived, Chapter

log = logging.getLogger(__name__)

T = TypeVar("T")

ENTRIES_PER_COMMIT = 20_000
"""How much one transaction takes at most: many small slices share a commit, large ones do not."""


STOP_SECONDS = 3.0
"""How long who stops waits for a transaction to end."""


class _Stopped(Exception):
    """Nobody waits any more."""


class _Pending(NamedTuple):
    chapter: Chapter
    settle: Callable[[bool], object]


class Snapshotter:
    """Stores slices of all partitions in shared transactions and publishes the watermarks.

    It waits for servers that are away, and blocks meanwhile: the log waits. Thread-safe.
    """

    def __init__(
        self,
        redis: Lines,
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
        self._queue: SimpleQueue[_Pending | None] = SimpleQueue()
        self._stopped, self._ended = threading.Event(), threading.Event()
        self._pipelines: dict[str, tuple[str, ...]] = {}

    def position(self, partition: int) -> EntryId:
        """Return the last entry id that the archive has of a partition, and publish it."""
        position = self._patiently(lambda: self._archive.position(partition))
        # what is there was stored by others, and may be anything
        self._publish({partition: Archived(position, position)})
        return position

    def put(self, part: Slice, settle: Callable[[bool], object]) -> None:
        """Hand in a slice.

        `settle` is told at last, in the thread of `run`, if the slice is committed and the
        watermark published, or if entries before it are missing, and nothing was stored.
        """
        # decoded now: while the transaction before takes its time
        self._queue.put(_Pending(_chapter(part), settle))

    def run(self) -> None:
        """Store what is handed in until `stop`: all that is pending shares a transaction."""
        try:
            with suppress(_Stopped):
                while (first := self._queue.get()) is not None:
                    self._store([first, *self._pending(len(first.chapter.entries))])
        finally:
            self._ended.set()

    def stop(self) -> None:
        """Let `run` end, with what is pending left undone.

        So is a transaction if Postgres does not answer within three seconds.
        """
        self._stopped.set()
        self._queue.put(None)
        threading.Thread(target=self._give_up, name="stop", daemon=True).start()

    def _give_up(self) -> None:
        if not self._ended.wait(STOP_SECONDS):
            self._archive.abandon()

    def trim(self, partitions: Iterable[int]) -> int:
        """Drop from the log what view and archive both have; return how many entries."""
        calls = [watermark.trim(self._keys(number), self._margin_ms) for number in partitions]
        return sum(map(self._redis.run_loaded, calls))

    def keep_pipelines(self) -> None:
        """Copy to the archive what managers have declared, if it is not what is known there."""
        found = read_pipelines(self._redis.execute("HGETALL", pipelines(self._namespace)))
        if found != self._pipelines:
            keep(found, self._archive)
            self._pipelines = found

    def _pending(self, entries: int) -> Iterator[_Pending]:
        while entries < ENTRIES_PER_COMMIT and not self._queue.empty():
            if (pending := self._queue.get()) is None:
                raise _Stopped
            yield pending
            entries += len(pending.chapter.entries)

    def _store(self, batch: Sequence[_Pending]) -> None:
        chapters = [pending.chapter for pending in batch]
        archived = self._patiently(lambda: self._commit(chapters))
        crash_point("archive: after the commit")
        self._publish(archived)
        crash_point("archive: after the watermark")
        for chapter, settle in batch:
            settle(archived[chapter.partition].position >= chapter.end)

    def _commit(self, chapters: Sequence[Chapter]) -> dict[int, Archived]:
        watch = Stopwatch()
        archived = self._archive.store(chapters)
        dead = sum(len(chapter.dead) for chapter in chapters)
        self._observe(watch.stop([chapter.entries for chapter in chapters], dead))
        return archived

    def _publish(self, archived: Mapping[int, Archived]) -> None:
        publish = [
            watermark.publish(self._keys(partition), *one)
            for partition, one in archived.items()
            if one.position.ms
        ]
        if publish:
            self._patiently(lambda: self._redis.run_all_loaded(publish))

    def _patiently(self, ask: Callable[[], T]) -> T:
        """Ask a server again and again while it is away."""
        outage = Outage(log)
        while True:
            try:
                answer = ask()
            except AWAY as error:
                if self._stopped.wait(outage.wait(error)):
                    raise _Stopped from None
            else:
                outage.over()
                return answer

    def _keys(self, partition: int) -> PartitionKeys:
        return PartitionKeys(self._namespace, partition)


def _chapter(part: Slice) -> Chapter:
    entries, dead = decode_all(part.entries)
    return Chapter(part.partition, part.after, part.last, entries, dead)
