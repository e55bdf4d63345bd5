"""Readings: what Redis and the archive say of a log at one moment, for metrics and warnings."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Generic, NamedTuple, TypeVar

from checkpoint.events.creation import find_log
from checkpoint.events.errors import CheckpointError
from checkpoint.events.server import read_info
from checkpoint.events.steps import AskArchive, Steps
from checkpoint.query.lag import CONSUMERS, Lag, measure_lag
from checkpoint.snapshotter import troubles
from checkpoint.snapshotter.troubles import Troubles

from .health import live_members

T = TypeVar("T")

FRESH_SECONDS = 1.0
PATIENCE_SECONDS = 3.0
"""Less than the ten seconds after which Prometheus gives a scrape up."""


class Reading(NamedTuple):
    """What Redis says."""

    lags: Sequence[Lag]
    """Of every partition and consumer; none while there is no log."""
    workers: Mapping[str, int]
    """How many of each kind had a heartbeat lately."""
    memory_bytes: int
    memory_limit_bytes: int
    """At this much Redis takes no more events; 0: there is no limit."""

    @property
    def oldest_unarchived(self) -> float:
        """The age in seconds of the oldest entry that the archive lacks; 0.0 for none."""
        return max((lag.seconds for lag in self.lags if lag.consumer == "snapshotter"), default=0.0)


def read_redis(namespace: str) -> Steps[Reading]:
    """Ask Redis for a reading of one log. Raises LogUnavailable."""
    log = yield from find_log(namespace)
    lags = (yield from measure_lag(namespace, log.partitions)) if log else []
    workers = {}
    for kind in CONSUMERS:
        workers[kind] = len((yield from live_members(namespace, kind)))
    info = yield from read_info()
    return Reading(lags, workers, int(info["used_memory"]), int(info.get("maxmemory", 0)))


def read_archive() -> Steps[Troubles]:
    """Ask the archive what it has on record. Raises ArchiveUnavailable."""
    found: Troubles = yield AskArchive(troubles.count)
    return found


class Latest(Generic[T]):
    """The latest answer to a question that is asked at most once a second, one at a time."""

    def __init__(self, ask: Callable[[], Awaitable[T]]) -> None:
        """Take the question."""
        self._ask = ask
        self._asking: asyncio.Task[T | None] | None = None
        self._asked = 0.0

    async def get(self) -> T | None:
        """Return the answer; None where there is none within three seconds."""
        if self._asking is None or (self._asking.done() and self._age > FRESH_SECONDS):
            self._asking, self._asked = asyncio.create_task(self._answer()), monotonic()
        done, _ = await asyncio.wait([self._asking], timeout=PATIENCE_SECONDS)
        return self._asking.result() if done else None

    @property
    def _age(self) -> float:
        return monotonic() - self._asked

    async def _answer(self) -> T | None:
        with suppress(CheckpointError):
            return await self._ask()
        return None
