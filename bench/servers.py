"""Servers of the benchmark's own, over TCP on loopback, and all that is started beside them."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import redis
from psycopg import sql

from checkpoint import Settings
from checkpoint.embedded import Postgres, Valkey

from .plan import Plan
from .turns import Pace

VALKEY = {
    "appendfsync": "everysec",  # the server's own default, and what bare commands are compared at
    "auto-aof-rewrite-percentage": "0",  # no rewrite in the background of one side
}
POSTGRES = {"max_wal_size": "8GB", "checkpoint_timeout": "30min"}  # no checkpoint, likewise
PATIENCE_SECONDS = 300.0


@dataclass
class Bench:
    """What every measurement gets: its plan, its servers, and how long it may take."""

    plan: Plan
    folder: Path
    valkey: Valkey
    postgres: Postgres
    until: float
    """When all should be over, by the monotonic clock."""
    _names: list[str] = field(default_factory=list)

    def settings(self, name: str, **more: Any) -> Settings:
        """Name a log that nobody used before."""
        namespace = f"{name}_{len(self._names)}"
        self._names.append(namespace)
        values = {"redis_url": self.valkey.url, "postgres_url": self.postgres.url, "timeout": 60.0}
        return Settings(namespace=namespace, **{**values, **more})

    def pace(self, seconds: float | None = None) -> Pace:
        """Say how many rounds a comparison that begins now may take."""
        plan = self.plan
        until = time.monotonic() + (plan.seconds if seconds is None else seconds)
        return Pace(plan.least_rounds, plan.most_rounds, min(until, self.until))

    def slow_pace(self) -> Pace:
        """Say the same of a comparison whose rounds start workers."""
        return self.pace(self.plan.drain_seconds)._replace(least=self.plan.least_drains)

    @contextmanager
    def redis(self) -> Iterator[Any]:
        """Yield a client of redis-py."""
        with redis.Redis.from_url(self.valkey.url) as client:
            yield client

    @contextmanager
    def psycopg(self) -> Iterator[psycopg.Connection]:
        """Yield a connection of psycopg that commits every statement."""
        with psycopg.connect(self.postgres.url, autocommit=True) as connection:
            yield connection

    def clean(self) -> None:
        """Drop what was measured, so that the next measurement finds the servers empty."""
        with self.redis() as client:
            client.flushall()
            client.bgrewriteaof()
            wait_until(lambda: not client.info("persistence")["aof_rewrite_in_progress"])
        with self.psycopg() as connection:
            for name in self._names:
                drop = sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(name))
                connection.execute(drop)
            connection.execute("CHECKPOINT")


@contextmanager
def started(plan: Plan) -> Iterator[Bench]:
    """Run Valkey, synced every second, and Postgres, synced at every commit."""
    until = time.monotonic() + plan.total_seconds
    with (
        TemporaryDirectory(prefix="checkpoint-bench-") as name,
        Valkey(Path(name) / "valkey", port=0, options=VALKEY) as valkey,
        Postgres(Path(name) / "postgres", port=0, options=POSTGRES) as postgres,
    ):
        yield Bench(plan, Path(name), valkey, postgres, until)


def wait_until(is_done: Callable[[], bool], pause: float = 0.02) -> None:
    """Ask again and again until the answer is yes; TimeoutError after five minutes."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"still not done after {PATIENCE_SECONDS:.0f} s")
        time.sleep(pause)


def environ(settings: Settings) -> dict[str, str]:
    """Return the environment of a child process that is to use a log."""
    return {
        **os.environ,
        "REDIS_URL": settings.redis_url,
        "POSTGRES_URL": settings.postgres_url or "",
        "CHECKPOINT_NAMESPACE": settings.namespace,
        "CHECKPOINT_TIMEOUT": str(settings.timeout),
    }
