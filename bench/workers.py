"""Workers, and how far they are: a worker's rate is read off the positions that it moves."""

import os
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import Any, NamedTuple

import redis

from checkpoint import Settings
from checkpoint.embedded.service import Service
from checkpoint.embedded.worker import Worker
from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.keys import PartitionKeys

from .process import cpu_seconds
from .ration import rationed
from .servers import PATIENCE_SECONDS, Bench, environ, wait_until
from .workload import Filled, fill

LOOK_SECONDS = 0.01
SHARING_SECONDS = 2.5
"""Two heartbeats: by then all workers know of each other."""
FROM, TO = 0.15, 0.85
"""A rate is that of the middle of a backlog: starting and the last partition are left out."""

_numbers = count()


def prepared(bench: Bench, kind: str, settings: Settings) -> Worker:
    """Make a worker of the log that `settings` name; it is not started."""
    # nothing is trimmed while it is measured
    variables = {**environ(settings), "CHECKPOINT_LOG_MARGIN": "86400"}
    return Worker(kind, bench.folder / f"{kind}-{next(_numbers)}", variables)


@contextmanager
def working(bench: Bench, settings: Settings, *kinds: str) -> Iterator[list[Worker]]:
    """Run workers of these kinds, ready, as long as the block does."""
    with ExitStack() as stack:
        workers = [prepared(bench, kind, settings) for kind in kinds]
        for worker in workers:
            stack.callback(worker.stop)
            worker.launch()
        for worker in workers:
            worker.wait_until_ready()
        yield workers


def pid_of(service: Service) -> int:
    """Return the process id of what runs; RuntimeError if it does not."""
    if service.pid is None:
        raise RuntimeError(f"{service.name} does not run: see {service.log}")
    return service.pid


class Gauge:
    """Reads how far a kind of worker is, by Redis' clock and in one round trip."""

    def __init__(
        self, client: Any, settings: Settings, kind: str, partitions: Sequence[int]
    ) -> None:
        """Take a client of redis-py, the log, and whose positions: projector or snapshotter."""
        self._client = client
        self._keys = [PartitionKeys(settings.namespace, number) for number in partitions]
        self._kind = kind
        self.partitions = partitions

    def read(self) -> tuple[float, list[EntryId]]:
        """Return the time, in ms since 1970, and the position of each partition."""
        pipe = self._client.pipeline(transaction=False)
        pipe.time()
        for keys in self._keys:
            if self._kind == "projector":
                pipe.get(keys.position)
            else:
                pipe.xinfo_stream(keys.watermark)
        (seconds, micros), *replies = pipe.execute(raise_on_error=False)
        return seconds * 1000 + micros / 1000, [_position(reply) for reply in replies]


def _position(reply: Any) -> EntryId:
    if not reply or isinstance(reply, Exception):
        return ZERO  # no worker of the kind was there yet
    return EntryId.parse(reply["last-generated-id"] if isinstance(reply, dict) else reply)


class Look(NamedTuple):
    """How far a drain was at one time."""

    at_ms: float
    """By Redis' clock."""
    applied: int
    redis_seconds: float


class Drain(NamedTuple):
    """The way through the middle of a backlog."""

    begin: Look
    end: Look

    @property
    def events(self) -> int:
        """How many were applied."""
        return self.end.applied - self.begin.applied

    @property
    def per_second(self) -> float:
        """Events, by the clock."""
        return self.events / max(self.end.at_ms - self.begin.at_ms, 1.0) * 1000

    @property
    def redis_micros(self) -> float:
        """Processor time of Redis for an event."""
        return (self.end.redis_seconds - self.begin.redis_seconds) / self.events * 1e6


def drain(
    bench: Bench,
    settings: Settings,
    kind: str,
    filled: Filled,
    cores: Sequence[int | None] = (None,),
) -> Drain:
    """Let workers of one kind, as many as `cores` and each kept on its own, drain a backlog."""
    with ExitStack() as stack:
        for core in cores:
            worker = prepared(bench, kind, settings)
            stack.callback(worker.stop)
            worker.launch()
            if core is not None:
                os.sched_setaffinity(pid_of(worker), {core})
        return _drained(bench, settings, kind, filled)


def drain_rationed(
    bench: Bench, settings: Settings, kind: str, events: int, *, workers: int, share: float
) -> Drain:
    """Let so many workers, each of which runs for a share of the time, drain what is appended.

    They have shared the partitions before there is any work.
    """
    with working(bench, settings, *[kind] * workers) as running:
        time.sleep(SHARING_SECONDS)
        with rationed([pid_of(one) for one in running], share):
            filled = fill(settings, events, seconds=bench.plan.fill_seconds)
            return _drained(bench, settings, kind, filled)


def _drained(bench: Bench, settings: Settings, kind: str, filled: Filled) -> Drain:
    """Look until all is applied; return the way through the middle of what was left."""
    with bench.redis() as client:
        gauge = Gauge(client, settings, kind, sorted(filled.ids))
        looks = list(_looks(gauge, filled, pid_of(bench.valkey)))
    begin = next(one for one in looks if one.applied >= filled.events * FROM)
    end = next(one for one in looks if one.applied >= filled.events * TO)
    # a backlog so small that it went at one stroke has no middle
    return Drain(looks[0] if begin is end else begin, end)


def _looks(gauge: Gauge, filled: Filled, server: int) -> Iterator[Look]:
    """Look until all is applied; TimeoutError."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    applied = 0
    while applied < filled.events:
        now_ms, positions = gauge.read()
        pairs = zip(gauge.partitions, positions, strict=True)
        applied = sum(bisect_right(filled.ids[number], at) for number, at in pairs)
        yield Look(now_ms, applied, cpu_seconds(server))
        if time.monotonic() > deadline:
            raise TimeoutError(f"{applied:,} of {filled.events:,} events were applied")
        time.sleep(LOOK_SECONDS)


def caught_up(settings: Settings, kind: str, filled: Filled) -> None:
    """Wait until a worker that runs has applied all."""
    with redis.Redis.from_url(settings.redis_url) as client:
        gauge = Gauge(client, settings, kind, sorted(filled.ids))
        ends = [filled.ids[number][-1] for number in gauge.partitions]
        wait_until(lambda: all(at >= end for at, end in zip(gauge.read()[1], ends, strict=True)))
