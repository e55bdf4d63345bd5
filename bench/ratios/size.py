"""Ratio 8: bytes per event, in Redis and in Postgres, beside the least that could hold it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import redis
from psycopg import Connection, sql

from bench.bare import Bare
from bench.row import Aim, Row, at_most
from bench.servers import VALKEY, Bench
from bench.workers import caught_up, working
from bench.workload import STAGES, encoded, fill, job_name
from checkpoint import Settings
from checkpoint.embedded import Valkey

REDIS = Aim(
    8,
    "bytes-redis",
    "bytes per event in Redis: log, head, index and view",
    "a bare XADD plus HSET",
    "bytes",
    at_most(1.2),
)
POSTGRES = Aim(
    8,
    "bytes-postgres",
    "bytes per event in Postgres: the event table",
    "the bare table with the same indexes",
    "bytes",
    at_most(1.1),
)
AIMS = (REDIS, POSTGRES)
NOT_DATA = ("mem_clients_normal", "mem_aof_buffer", "mem_cluster_links")
SETTLE_SECONDS = 0.5
AT_ONCE = 1000

COPY_BARE = """
INSERT INTO bare (partition, ms, seq, job, incarnation_ms, incarnation_seq, version, at, event)
SELECT partition, ms, seq, job, incarnation_ms, incarnation_seq, version, at, event
FROM {}.event ORDER BY ms, seq
"""


def measure(bench: Bench) -> Iterator[Row]:
    """Measure both, of the same events, all of which the view has."""
    events = bench.plan.sized
    size = f"{events:,} events of jobs of eight stages"
    ours, bare = _redis_bytes(bench, events), _bare_redis_bytes(bench, events)
    yield REDIS.row(f"{size}, on an empty server each", [ours / events], [bare / events])
    settings = bench.settings("size")
    filled = fill(settings, events)
    with working(bench, settings, "snapshotter"):
        caught_up(settings, "snapshotter", filled)
    with bench.psycopg() as connection, Bare(bench):
        name = sql.Identifier(settings.namespace)
        connection.execute(sql.SQL(COPY_BARE).format(name))
        table = _bytes(connection, sql.Identifier(settings.namespace, "event"))
        bare = _bytes(connection, sql.Identifier("bare"))
    yield POSTGRES.row(f"{size}, with both indexes", [table / events], [bare / events])


def _bytes(connection: Connection, table: sql.Identifier) -> int:
    size = "SELECT pg_total_relation_size(%s::regclass)"
    (found,) = connection.execute(size, [table.as_string(connection)]).fetchone() or (0,)
    return int(found)


def _redis_bytes(bench: Bench, events: int) -> int:
    """Save events, have them projected, and stop the projector; return what they take."""
    with _empty_valkey(bench) as (settings, used):
        filled = fill(settings, events)
        with working(bench, settings, "projector"):
            caught_up(settings, "projector", filled)
        return used()


def _bare_redis_bytes(bench: Bench, events: int) -> int:
    """XADD the data of as many events, and HSET it into a hash for each job."""
    with _empty_valkey(bench) as (settings, used):
        with redis.Redis.from_url(settings.redis_url) as client:
            for first in range(0, events, AT_ONCE):
                pipe = client.pipeline(transaction=False)
                for number in range(first, min(events, first + AT_ONCE)):
                    pipe.xadd(f"bare-{number // 8 % 8}", {"event": encoded()})
                    pipe.hset(f"job-{job_name(number // 8)}", STAGES[number % 8], encoded())
                pipe.execute()
        return used()


@contextmanager
def _empty_valkey(bench: Bench) -> Iterator[tuple[Settings, Callable[[], int]]]:
    """Run another Valkey; yield how to reach it, and what says how many bytes it has got since."""
    settings = bench.settings("bytes", postgres_url=None)
    with Valkey(bench.folder / settings.namespace, port=0, options=VALKEY) as valkey:
        before = _data_bytes(valkey.url)
        yield replace(settings, redis_url=valkey.url), lambda: _data_bytes(valkey.url) - before


def _data_bytes(url: str) -> int:
    """Return the memory that a server uses, without the buffers of clients and files."""
    time.sleep(SETTLE_SECONDS)  # its tables finish to grow in the background
    with redis.Redis.from_url(url) as client:
        memory: Any = client.info("memory")
    return int(memory["used_memory"] - sum(memory.get(name, 0) for name in NOT_DATA))
