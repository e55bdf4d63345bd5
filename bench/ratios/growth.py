"""Ratio 9: what costs when there are more jobs, more partitions, or two workers."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from random import Random
from statistics import median

from bench.row import Aim, Row, at_least, at_most
from bench.servers import Bench
from bench.turns import Timed, compared
from bench.workers import Drain, drain, drain_rationed
from bench.workload import DATA, STAGES, fill, job_name
from checkpoint import CheckpointManager, Settings

FEW_JOBS = 1000
MANY_PARTITIONS = 64
ENOUGH_CORES = 4
"""Two workers, Redis, and the rest of the machine."""
FLAT = at_most(1.1)

JOBS = {
    "save": Aim(9, "jobs-save", "save, with many jobs", "save, with 1,000 jobs", "µs", FLAT),
    "lookup": Aim(
        9, "jobs-lookup", "lookup, with many jobs", "lookup, with 1,000 jobs", "µs", FLAT
    ),
}
PARTITIONS = {
    "save": Aim(9, "partitions-save", "save, 64 partitions", "save, one partition", "µs", FLAT),
    "lookup": Aim(
        9, "partitions-lookup", "lookup, 64 partitions", "lookup, one partition", "µs", FLAT
    ),
}
HAS_CORES = (os.cpu_count() or 1) >= ENOUGH_CORES
TWO = Aim(
    9,
    "two-workers",
    "two projector workers, by the clock",
    "one",
    "events/s",
    at_least(1.6) if HAS_CORES else None,
)
SHARE = 1 / 16
RATIONED_EVENTS = 80_000
"""They keep two workers busy for some seconds of their shares, whatever the plan."""
RATIONED = Aim(
    9,
    "two-workers-rationed",
    "two projector workers, each let run a sixteenth of the time",
    "one",
    "events/s",
    at_least(1.6),
)
AIMS = (*JOBS.values(), *PARTITIONS.values(), TWO, RATIONED)


def measure(bench: Bench) -> Iterator[Row]:
    """Measure saves and lookups of small logs and large ones in turns, then the workers."""
    plan = bench.plan
    few, many = bench.settings("few"), bench.settings("many")
    fill(few, FEW_JOBS, side_by_side=FEW_JOBS)
    filled = fill(many, plan.jobs, side_by_side=plan.jobs, seconds=plan.fill_seconds)
    size = f"{filled.events:,} jobs, picked at random"
    yield from _rows(bench, JOBS, (many, filled.events), (few, FEW_JOBS), size)
    one, more = (bench.settings("parts", partitions=count) for count in (1, MANY_PARTITIONS))
    for settings in (one, more):
        fill(settings, FEW_JOBS, side_by_side=FEW_JOBS)
    size = f"{FEW_JOBS:,} jobs, picked at random"
    yield from _rows(bench, PARTITIONS, (more, FEW_JOBS), (one, FEW_JOBS), size)
    yield from _two_workers(bench)


def _rows(
    bench: Bench,
    aims: dict[str, Aim],
    large: tuple[Settings, int],
    small: tuple[Settings, int],
    size: str,
) -> Iterator[Row]:
    with ExitStack() as stack:
        managers = [stack.enter_context(CheckpointManager(one)) for one, _ in (large, small)]
        sides = [_Calls(one, jobs) for one, (_, jobs) in zip(managers, (large, small), strict=True)]
        calls = bench.plan.calls // 2
        for name, aim in aims.items():
            ours, theirs = (Timed(getattr(side, name), calls) for side in sides)
            figures = compared(ours, theirs, aim.limit, bench.pace())
            yield aim.row(f"p50 of {calls} calls a round; {size}", *figures)


class _Calls:
    """Calls of jobs that are picked at random, as if each came from a pipeline of its own."""

    def __init__(self, manager: CheckpointManager, jobs: int) -> None:
        self._manager = manager
        self._random = Random(1)  # noqa: S311 - the same jobs in every run
        self._half = jobs // 2

    def save(self, number: int) -> None:
        """Save the second stage of a job with an even number."""
        job = job_name(2 * self._random.randrange(self._half))
        self._manager.save(job, STAGES[1 + number % 7], DATA)

    def lookup(self, _: int) -> None:
        """Look up a job with an odd number, which has one stage."""
        point = self._manager.get_resume_point(job_name(2 * self._random.randrange(self._half) + 1))
        if point is None:
            raise AssertionError("a job without a stage")


def _two_workers(bench: Bench) -> Iterator[Row]:
    """Drain backlogs of the same size with two workers and with one, each on a core of its own.

    Where cores are fewer than processes that shows the machine and not the workers. There is room
    for all where a worker is stopped for most of the time; two get so much more time than one.
    """
    cores = sorted(os.sched_getaffinity(0))
    pinned = (cores[0], cores[-1])
    events, drains = bench.plan.backlog, list[Drain]()

    def drained(on: Sequence[int]) -> float:
        settings = bench.settings("two")
        filled = fill(settings, events, seconds=bench.plan.fill_seconds)
        drains.append(drain(bench, settings, "projector", filled, on))
        return drains[-1].per_second

    def rationed(workers: int) -> float:
        settings = bench.settings("rationed")
        one = drain_rationed(
            bench, settings, "projector", RATIONED_EVENTS, workers=workers, share=SHARE
        )
        return one.per_second

    pace = bench.slow_pace()._replace(most=3)
    figures = compared(lambda: drained(pinned), lambda: drained(pinned[:1]), TWO.limit, pace)
    redis = median(one.redis_micros for one in drains)
    size = f"backlog of {events:,}, a core each, {len(cores)} cores here"
    yield TWO.row(f"{size}; Redis takes {redis:.1f} µs of a core an event", *figures)
    pace = bench.slow_pace()._replace(most=3)
    figures = compared(lambda: rationed(2), lambda: rationed(1), RATIONED.limit, pace)
    yield RATIONED.row(f"{RATIONED_EVENTS:,} events, {len(cores)} cores here", *figures)
