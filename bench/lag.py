"""Lag: how long it takes from an append until view or archive have it, at a steady load."""

import subprocess
import sys
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import msgspec

from checkpoint import Settings
from checkpoint.events.entry_id import EntryId

from .offer import Offered
from .servers import Bench, environ, wait_until
from .workers import Gauge, working
from .workload import PARTITIONS

EVENTS_PER_SECOND = 5000
LOOK_SECONDS = 0.002
WARM_UP_MS = 500

Look = tuple[float, list[EntryId]]
"""When, in ms since 1970 by Redis' clock, and the position of each partition then."""


class Lags(NamedTuple):
    """The lag of every entry in milliseconds, and how it was in each second."""

    all: list[float]
    seconds: list[list[float]]
    offered: float
    """Events a second that really came."""

    def quantile(self, hundredth: int) -> tuple[float, list[float]]:
        """Return a percentile of all entries, and the same of each second's."""
        return _percentile(self.all, hundredth), [
            _percentile(one, hundredth) for one in self.seconds
        ]


def lags(bench: Bench, kind: str) -> Lags:
    """Offer 5,000 events/s from a process of its own to one worker, and watch its positions.

    An entry's time is in its id, and the view or the archive has it as soon as the position,
    which is stored in the same transaction, has reached it. Positions are looked at every two
    milliseconds, and that is counted in.
    """
    settings = bench.settings("lag")
    looks: list[Look] = []
    with working(bench, settings, kind), bench.redis() as client, ThreadPoolExecutor(1) as thread:
        gauge = Gauge(client, settings, kind, range(PARTITIONS))
        offering = thread.submit(_offer, bench.plan.lag_seconds, settings)
        while not offering.done():
            looks.append(gauge.read())
            time.sleep(LOOK_SECONDS)
        offered = offering.result()
        ids = {number: sorted(EntryId(*one) for one in ids) for number, ids in offered.ids.items()}

        def has_all() -> bool:
            looks.append(gauge.read())
            return all(looks[-1][1][number] >= known[-1] for number, known in ids.items())

        wait_until(has_all, LOOK_SECONDS)
    return _together(ids, looks, offered)


def _offer(seconds: float, settings: Settings) -> Offered:
    command = [sys.executable, "-m", "bench.offer", str(EVENTS_PER_SECOND), str(seconds)]
    done = subprocess.run(command, env=environ(settings), stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout, type=Offered)


def _together(
    ids: Mapping[int, Sequence[EntryId]], looks: Sequence[Look], offered: Offered
) -> Lags:
    lags = sorted(pair for number, known in ids.items() for pair in _of(number, known, looks))
    since = lags[0][0] + min(WARM_UP_MS, offered.seconds * 250)
    seconds: defaultdict[int, list[float]] = defaultdict(list)
    for appended_ms, lag in lags:
        if appended_ms >= since:
            seconds[int(appended_ms - since) // 1000].append(lag)
    return Lags(
        [lag for one in seconds.values() for lag in one],
        list(seconds.values()),
        len(lags) / offered.seconds,
    )


def _of(number: int, ids: Sequence[EntryId], looks: Sequence[Look]) -> Iterator[tuple[int, float]]:
    """Yield when each entry of a partition was appended, and its lag."""
    done = 0
    for now_ms, positions in looks:
        applied = bisect_right(ids, positions[number])
        for one in ids[done:applied]:
            yield one.ms, now_ms - one.ms
        done = max(done, applied)


def _percentile(values: Sequence[float], hundredth: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * hundredth // 100)]
