"""Metrics: what a worker did, and how log, servers and workers are, in Prometheus' form.

Needs prometheus-client, the extra `metrics`. All names begin with `checkpoint_`, all units are
base units, and every metric says of which `log` it is.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from checkpoint.events.entry_id import ZERO
from checkpoint.events.outage import AWAY, Outage
from checkpoint.events.settings import Settings
from checkpoint.events.work import Work
from checkpoint.snapshotter.troubles import Troubles

from .readings import Latest, Reading, read_archive, read_redis
from .servers import AsyncServers

ENTRIES = (1, 4, 16, 64, 256, 1024, 4096, 16_384)
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
WRITES = {
    "projector": ("script", "that reading states, folding a slice and writing its views took"),
    "snapshotter": ("commit", "that a transaction took, from the first row to the commit"),
}
"""What each kind of worker measures the time of."""


class WorkMetrics:
    """What this process did."""

    def __init__(self, kind: str, log: str, registry: CollectorRegistry) -> None:
        """Register the metrics of a worker of that kind."""
        labels = {"log": log, "consumer": kind}
        name, what = WRITES[kind]
        self._events = Counter(
            "checkpoint_events_applied",
            "Events that this worker wrote.",
            labels,
            registry=registry,
        ).labels(**labels)
        self._dead = Counter(
            "checkpoint_undecodable_entries",
            "Entries that are no events: the view does without, the archive has dead letters.",
            labels,
            registry=registry,
        ).labels(**labels)
        self._batch = Histogram(
            "checkpoint_batch_entries",
            "Events written at once.",
            labels,
            registry=registry,
            buckets=ENTRIES,
        ).labels(**labels)
        self._seconds = Histogram(
            f"checkpoint_{name}_seconds",
            f"Seconds {what}.",
            labels,
            registry=registry,
            buckets=SECONDS,
        ).labels(**labels)

    def observe(self, work: Work) -> None:
        """Count one write."""
        self._events.inc(work.events)
        self._dead.inc(work.dead)
        self._batch.observe(work.events)
        self._seconds.observe(work.seconds)


class Seen(NamedTuple):
    """What the servers said last; None of one that did not answer."""

    redis: Reading | None = None
    archive: Troubles | None = None


class LogCollector(Collector):
    """How a log, its servers and its workers are: every worker tells it of all of them."""

    def __init__(self, log: str, *, has_archive: bool) -> None:
        """Tell of the log of that name."""
        self.seen = Seen()
        self._log = log
        self._has_archive = has_archive

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of what was seen."""
        redis, archive = self.seen
        yield self._gauge("redis_up", "1 if Redis answers.", redis is not None)
        if redis:
            yield from self._of_redis(redis)
            yield from self._of_lag(redis)
        if self._has_archive:
            yield self._gauge("archive_up", "1 if Postgres answers.", archive is not None)
        if archive:
            yield from self._of_archive(archive)
        yield self._outages()

    def _of_redis(self, redis: Reading) -> Iterator[Metric]:
        yield self._labelled(
            "workers",
            "Workers with a heartbeat lately.",
            ["consumer"],
            (([kind], number) for kind, number in redis.workers.items()),
        )
        yield self._gauge("redis_memory_used_bytes", "Memory in use.", redis.memory_bytes)
        yield self._gauge(
            "redis_memory_limit_bytes",
            "Redis' maxmemory: at that it takes no more events. 0: no limit.",
            redis.memory_limit_bytes,
        )

    def _of_lag(self, redis: Reading) -> Iterator[Metric]:
        place = ["consumer", "partition"]
        values = [([lag.consumer, str(lag.partition)], lag) for lag in redis.lags]
        yield self._labelled(
            "lag_entries",
            "Entries of the log that the consumer has not applied.",
            place,
            ((at, lag.entries) for at, lag in values),
        )
        yield self._labelled(
            "lag_seconds",
            "Age of the oldest entry that the consumer has not applied, by Redis' clock.",
            place,
            ((at, lag.seconds) for at, lag in values),
        )
        yield self._labelled(
            "watermark_timestamp_seconds",
            "When the last entry was made that the archive has, by Redis' clock.",
            ["partition"],
            (
                ([str(lag.partition)], lag.position.ms / 1000)
                for lag in redis.lags
                if lag.consumer == "snapshotter" and lag.position > ZERO
            ),
        )
        if self._has_archive:
            yield self._gauge(
                "oldest_unarchived_seconds",
                "Age of the oldest entry that the archive lacks; 0: it lacks none.",
                redis.oldest_unarchived,
            )

    def _of_archive(self, archive: Troubles) -> Iterator[Metric]:
        yield self._gauge("dead_letters", "Dead letters on record.", archive.dead_letters)
        restorations = CounterMetricFamily(
            "checkpoint_restorations",
            "Restarts and losses of Redis on record, one for each partition.",
            labels=["log"],
        )
        restorations.add_metric([self._log], archive.restorations)
        yield restorations

    def _outages(self) -> Metric:
        outages = CounterMetricFamily(
            "checkpoint_outages",
            "Times that a part of this worker found a server away, by the error it met.",
            labels=["log", "error"],
        )
        for error in AWAY:
            # from 0 on, so that the first one counts as an increase
            outages.add_metric([self._log, error.__name__], Outage.met[error.__name__])
        return outages

    def _gauge(self, name: str, what: str, value: float) -> Metric:
        return self._labelled(name, what, [], [([], value)])

    def _labelled(
        self,
        name: str,
        what: str,
        labels: Sequence[str],
        values: Iterable[tuple[Sequence[str], float]],
    ) -> Metric:
        gauge = GaugeMetricFamily(f"checkpoint_{name}", what, labels=["log", *labels])
        for at, value in values:
            gauge.add_metric([self._log, *at], value)
        return gauge


class Metrics:
    """All metrics of one worker process; the servers are asked when somebody looks."""

    CONTENT_TYPE = CONTENT_TYPE_LATEST

    def __init__(self, kind: str, settings: Settings) -> None:
        """Make the metrics of a worker of that kind."""
        # the process has one start time already
        disable_created_metrics()  # type: ignore[no-untyped-call] # the client's own
        self._registry = CollectorRegistry()
        self.observe = WorkMetrics(kind, settings.namespace, self._registry).observe
        self._has_archive = settings.postgres_url is not None
        self._log = LogCollector(settings.namespace, has_archive=self._has_archive)
        self._registry.register(self._log)
        ProcessCollector(registry=self._registry)
        servers = AsyncServers(settings)
        self._redis = Latest(lambda: servers.run(read_redis(settings.namespace)))
        self._archive = Latest(lambda: servers.run(read_archive()))

    async def exposition(self) -> bytes:
        """Return all metrics as text; a server that is away is waited for three seconds."""
        self._log.seen = await self._see()
        return generate_latest(self._registry)

    async def _see(self) -> Seen:
        if not self._has_archive:
            return Seen(await self._redis.get())
        return Seen(*await asyncio.gather(self._redis.get(), self._archive.get()))
