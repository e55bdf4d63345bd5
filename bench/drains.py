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
    """One worker's way through a backlog."""

    kind: str
    events: int
    per_second: float
    wanted: int
    early_bytes: int
    """Memory when a tenth was done."""
    late_bytes: int
    """Memory when all was done."""


def drains(settings: Settings, events: int) -> Iterator[Drain]:
    """Fill a log, then let one worker of each kind get through it."""
    mine = replace(settings, namespace="backlog")
    fill(mine, events)
    with redis.Redis.from_url(mine.redis_url) as client:
        yield _drain("projector", mine, events, 60_000, lambda: _projected(client, mine))
    with psycopg.connect(mine.postgres_url or "", autocommit=True) as connection:
        yield _drain("snapshotter", mine, events, 40_000, lambda: _archived(connection))


def fill(settings: Settings, events: int) -> float:
    """Append so many events; return how many a second."""
    begun = time.perf_counter()
    with CheckpointManager(settings) as manager:
        for first in range(0, events, BATCH):
            manager.save_many(
                (f"job-{number // 8}", STAGES[number % 8], DATA)
                for number in range(first, first + BATCH)
            )
    return events / (time.perf_counter() - begun)


def _drain(
    kind: str, settings: Settings, events: int, wanted: int, done: Callable[[], int]
) -> Drain:
    with servers.worker(kind, settings) as pid:
        begun, before = time.perf_counter(), done()
        servers.wait_until(lambda: done() >= events // 10)
        early = servers.resident_bytes(pid)
        servers.wait_until(lambda: done() >= events)
        seconds = time.perf_counter() - begun
        return Drain(
            kind, events, (events - before) / seconds, wanted, early, servers.resident_bytes(pid)
        )


def _projected(client: "redis.Redis", settings: Settings) -> int:
    groups = [
        client.xinfo_groups(PartitionKeys(settings.namespace, number).log)
        for number in range(PARTITIONS)
    ]
    return sum(
        group["entries-read"] or 0
        for partition in groups
        for group in partition
        if group["name"] == b"projector"
    )


def _archived(connection: "psycopg.Connection") -> int:
    row = connection.execute("SELECT count(*) FROM backlog.event").fetchone()
    return row[0] if row else 0
