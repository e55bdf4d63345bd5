"""Ratio 10: what workers cost that have nothing to do, and how soon they do something."""

import time
from collections.abc import Iterator
from functools import partial

from bench.process import cpu_seconds
from bench.row import Aim, Row, at_most
from bench.servers import Bench, wait_until
from bench.turns import repeated
from bench.workers import Gauge, pid_of, prepared, working
from bench.workload import fill

IDLE = Aim(10, "idle", "both workers idle", "", "% of a core", at_most(2))
START = {
    kind: Aim(10, f"start-{kind}", f"{kind}, from start to first slice", "", "s", at_most(2))
    for kind in ("projector", "snapshotter")
}
AIMS = (IDLE, *START.values())
SETTLE_SECONDS = 3.0


def measure(bench: Bench) -> Iterator[Row]:
    """Measure both from outside."""
    yield _idle(bench)
    for kind, aim in START.items():
        limit = aim.limit or at_most(0)
        times = repeated(partial(_started, bench, kind), limit, bench.slow_pace()._replace(most=3))
        yield aim.row("from the start of the process to a position that has moved", times)


def _idle(bench: Bench) -> Row:
    """Watch the processor time of both workers, of a log that has some jobs and is left alone."""
    settings = bench.settings("idle")
    fill(settings, 800)
    seconds = bench.plan.idle_seconds
    with working(bench, settings, "projector", "snapshotter") as workers:
        time.sleep(min(SETTLE_SECONDS, seconds))
        pids = [pid_of(worker) for worker in workers]
        before = sum(map(cpu_seconds, pids))
        time.sleep(seconds)
        used = sum(map(cpu_seconds, pids)) - before
    return IDLE.row(f"processor time in {seconds:g} s, 8 partitions", [used / seconds * 100])


def _started(bench: Bench, kind: str) -> float:
    """Start a worker of a log with eight events; return when it has applied the first slice."""
    settings = bench.settings("start")
    filled = fill(settings, 8)
    with bench.redis() as client:
        gauge = Gauge(client, settings, kind, list(filled.ids))
        nowhere = gauge.read()[1]
        worker = prepared(bench, kind, settings)
        begun = time.perf_counter()
        try:
            worker.launch()
            wait_until(lambda: gauge.read()[1] != nowhere, 0.005)
            return time.perf_counter() - begun
        finally:
            worker.stop()
