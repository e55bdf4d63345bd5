"""A log on a real Redis, and hands on every part of it: append, slices, folds, components."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import redis
import redis.asyncio
from background import in_background

from checkpoint.core import Core
from checkpoint.events.append import Appended, Batch, Request, batches
from checkpoint.events.async_lines import AsyncLines
from checkpoint.events.creation import Log
from checkpoint.events.entry import Entry, decode_all
from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.keys import JobKeys, PartitionKeys, partition_of
from checkpoint.events.lines import Lines
from checkpoint.events.script import Call
from checkpoint.events.settings import Settings
from checkpoint.events.slices import Slice
from checkpoint.events.steps import Steps
from checkpoint.projector.fold import NOTHING, JobState, fold_all
from checkpoint.projector.projector import Projector
from checkpoint.projector.view import JobReading, parse_job, read_job
from checkpoint.servers import Servers
from checkpoint.snapshotter.archive import Archive
from checkpoint.snapshotter.snapshotter import Snapshotter
from checkpoint.snapshotter.storing import Chapter

T = TypeVar("T")

RawEntries = Sequence[tuple[bytes, list[bytes]]]


@dataclass
class RealLog:
    """The log that some settings name."""

    settings: Settings
    client: Any = field(init=False)  # redis-py types every reply as perhaps awaitable
    log: Log = field(init=False)

    def __post_init__(self) -> None:
        self.client = redis.Redis.from_url(self.settings.redis_url, protocol=2)
        self.log = self.run(Core(self.settings).open())

    def close(self) -> None:
        self.client.close()

    def run(self, steps: Steps[T]) -> T:
        """Carry out steps over connections of their own."""
        servers = Servers(self.settings)
        try:
            return servers.run(steps)
        finally:
            servers.close()

    def append(self, *requests: Request) -> list[Appended]:
        """Append through the script: one call per partition."""
        return self.send(self.batches(*requests))

    def batches(self, *requests: Request) -> list[Batch]:
        """Make the calls that append requests; who sends them again repeats them."""
        return batches(requests, self.settings.namespace, self.log.partitions)

    def send(self, calls: Sequence[Batch], *, again: bool = False) -> list[Appended]:
        """Make calls, for the first time or `again`; return where the events stand, job by job."""
        return [
            one
            for batch in calls
            for places in batch.read(self.call(batch.call(again=again))).jobs.values()
            for one in places
        ]

    def call(self, call: Call) -> Any:
        """Call a script."""
        return self.client.eval(call.script.text, len(call.keys), *call.keys, *call.args)

    def partition(self, number: int) -> PartitionKeys:
        return PartitionKeys(self.settings.namespace, number)

    @property
    def numbers(self) -> range:
        return range(self.log.partitions)

    def keys(self, job: str) -> JobKeys:
        return self.partition_of(job).job(job)

    def partition_of(self, job: str) -> PartitionKeys:
        return self.partition(partition_of(job, self.log.partitions))

    def raw(self, number: int, after: EntryId = ZERO) -> RawEntries:
        """Return the entries of a partition as they stand in the log."""
        rows: Any = self.client.xrange(self.partition(number).log, f"({after}")
        return [(name, [part for pair in fields.items() for part in pair]) for name, fields in rows]

    def entries(self, job: str) -> list[Entry]:
        """Return a job's entries."""
        number = partition_of(job, self.log.partitions)
        return [one for one in decode_all(self.raw(number))[0] if one.event.job == job]

    def events(self) -> int:
        """Say how many entries the whole log has."""
        return sum(len(self.raw(number)) for number in self.numbers)

    def fold(self, job: str) -> JobState:
        """Fold the latest incarnation of a job out of the log alone."""
        return fold_all(NOTHING, self.entries(job))

    def view(self, job: str) -> JobState:
        """Return what the view alone says of a job."""
        return self.read(job).view

    def read(self, job: str) -> JobReading:
        """Return what Redis knows of a job."""
        call = read_job(self.settings.namespace, self.log.partitions, job)
        return parse_job(self.call(call))

    def position(self, number: int) -> EntryId:
        """Return the projector's position."""
        found: Any = self.client.get(self.partition(number).position)
        return EntryId.parse(found) if found else ZERO

    def slice(self, number: int, after: EntryId = ZERO, size: int = 10_000) -> Slice | None:
        """Cut the slice of up to `size` entries that follows an entry id."""
        rows = self.raw(number, after)[:size]
        if not rows:
            return None
        names = [EntryId.parse(name) for name, _ in rows]
        return Slice(number, after, names[0], names[-1], rows)

    def slices(self, number: int, sizes: Iterator[int], after: EntryId = ZERO) -> Iterator[Slice]:
        """Cut all that follows an entry id into slices of the sizes that come."""
        while part := self.slice(number, after, next(sizes)):
            yield part
            after = part.last

    def chapters(
        self, number: int, sizes: Iterator[int], after: EntryId = ZERO
    ) -> Iterator[Chapter]:
        """Cut all that follows an entry id into chapters of the sizes that come."""
        for part in self.slices(number, sizes, after):
            entries, dead = decode_all(part.entries)
            yield Chapter(number, part.after, part.last, entries, dead)

    def chapter(self, number: int, after: EntryId = ZERO) -> Chapter:
        """Make one chapter of all that follows an entry id."""
        return next(self.chapters(number, forever(10_000), after))

    def project(self, size: int = 512) -> None:
        """Let a projector bring the views up to the log."""
        with projecting(self.settings) as apply:
            for number in self.numbers:
                for part in self.slices(number, forever(size), self.position(number)):
                    apply(part)

    def archive(self) -> Archive:
        """Open the archive."""
        assert self.settings.postgres_url is not None
        return Archive(self.settings.postgres_url, self.settings.namespace)

    def store(self) -> None:
        """Bring the archive up to the log."""
        archive = self.archive()
        positions = archive.positions()
        archive.store(
            [
                chapter
                for number in self.numbers
                for chapter in self.chapters(number, forever(10_000), positions[number])
            ]
        )
        archive.close()


def forever(size: int) -> Iterator[int]:
    """Yield one size, again and again."""
    while True:
        yield size


@contextmanager
def projecting(settings: Settings) -> Iterator[Callable[[Slice], EntryId]]:
    """Yield a blocking `Projector.apply`."""
    with asyncio.Runner() as runner:
        client = AsyncLines(settings.redis_url, 5.0)
        projector = Projector(client, settings.namespace)
        try:
            yield lambda part: runner.run(projector.apply(part))
        finally:
            runner.run(client.aclose())


@asynccontextmanager
async def snapshotting(
    settings: Settings, archive: Archive | None = None, margin_ms: int = 0
) -> AsyncIterator[Snapshotter]:
    """Yield a Snapshotter whose `run` is running; if that fails, so does the block."""
    assert settings.postgres_url is not None
    client = Lines(settings.redis_url, 5.0)
    ours = archive or Archive(settings.postgres_url, settings.namespace)
    snapshotter = Snapshotter(client, ours, settings.namespace, margin_ms)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.to_thread(snapshotter.run))
            try:
                yield snapshotter
            finally:
                snapshotter.stop()
    finally:
        client.close()
        ours.close()


async def put(snapshotter: Snapshotter, part: Slice) -> bool:
    """Hand in a slice; return whether it is in the archive."""
    loop = asyncio.get_running_loop()
    settled: asyncio.Future[bool] = loop.create_future()
    snapshotter.put(part, partial(loop.call_soon_threadsafe, settled.set_result))
    return await settled


@contextmanager
def a_snapshotter_runs(log: RealLog) -> Iterator[None]:
    """Keep the archive up to date, in a thread of its own, as long as the block runs."""

    async def follow(stop: threading.Event) -> None:
        async with snapshotting(log.settings) as snapshotter:
            positions = {number: snapshotter.position(number) for number in log.numbers}
            while not stop.is_set():
                for number, position in positions.items():
                    if part := log.slice(number, position):
                        assert await put(snapshotter, part)
                        positions[number] = part.last
                await asyncio.sleep(0.005)

    with in_background(lambda stop: asyncio.run(follow(stop)), "snapshotter"):
        yield
