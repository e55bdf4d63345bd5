"""How fast workers get through a backlog, and what memory that takes."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import psycopg
import redis

from checkpoint import CheckpointManager, Settings
from checkpoint.events.keys import PartitionKeys

from . import servers
from .calls import BATCH, DATA, STAGES

PARTITIONS = 8


class Drain(NamedTuple):
    """One worker's way through a backlog, from the start of its process."""

    kind: str
    events: int
    per_second: float
    wanted: int
    early_bytes: int
    """Memory when it had just started."""
    late_bytes: int
    """Memory when all was done."""


def drains(settings: Settings, events: int) -> Iterator[Drain]:
    """Fill a log, then let one worker of each kind get through it."""
    mine = replace(settings, namespace="backlog")
    fill(mine, events)
    with redis.Redis.from_url(mine.redis_url) as client:
        yield _drain("projector", mine, events, 60_000, lambda: _projected(client, mine))
    with psycopg.connect(mine.postgres_url or "", autocommit=True) as connection:
        yield _drain("snapshotter", mine, events, 40_000, lambda: _archived(connection, events))


def fill(settings: Settings, events: int) -> float:
    """Append so many events, as jobs of eight stages; return how many a second."""
    begun = time.perf_counter()
    with CheckpointManager(settings) as manager:
        for first in range(0, events, BATCH):
            manager.save_many(
                (f"job-{number // 8}", STAGES[number % 8], DATA)
                for number in range(first, first + BATCH)
            )
    return events / (time.perf_counter() - begun)


def _drain(
    kind: str, settings: Settings, events: int, wanted: int, done: Callable[[], bool]
) -> Drain:
    begun = time.perf_counter()
    with servers.worker(kind, settings) as pid:
        early = servers.resident_bytes(pid)
        servers.wait_until(done)
        seconds = time.perf_counter() - begun
        return Drain(kind, events, events / seconds, wanted, early, servers.resident_bytes(pid))


def _projected(client: "redis.Redis", settings: Settings) -> bool:
    partitions = [PartitionKeys(settings.namespace, number) for number in range(PARTITIONS)]
    ends = [client.xrevrange(keys.log, count=1)[0][0] for keys in partitions]
    return client.mget([keys.position for keys in partitions]) == ends


def _archived(connection: "psycopg.Connection", events: int) -> bool:
    return connection.execute("SELECT count(*) FROM backlog.event").fetchone() == (events,)
