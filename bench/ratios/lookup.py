"""Ratio 3: a resume point of eight stages, beside the hash of eight fields that could hold it."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from bench.deep_log import deepen
from bench.row import Aim, Row, at_most
from bench.servers import Bench
from bench.turns import Timed, compared
from bench.workers import caught_up, working
from bench.workload import STAGES, encoded, fill, job_name
from checkpoint import CheckpointManager, Settings

BESIDE = "HGETALL with JSON by redis-py"
JOBS = 50

VIEW = Aim(3, "lookup", "resume lookup, eight stages, decoded", BESIDE, "µs", at_most(1.2))
LOG = Aim(
    3, "lookup-unapplied", "the same, projector stopped, job unapplied", BESIDE, "µs", at_most(1.3)
)
DEEP_VIEW = Aim(3, "lookup-deep", "the same, applied, with a deep log", BESIDE, "µs", at_most(1.3))
DEEP_LOG = Aim(
    3, "lookup-deep-unapplied", "the same, unapplied, with a deep log", BESIDE, "µs", at_most(1.3)
)
AIMS = (VIEW, LOG, DEEP_VIEW, DEEP_LOG)


def measure(bench: Bench) -> Iterator[Row]:
    """Measure jobs that the view has, jobs that it has not, and both with a log behind them."""
    settings = bench.settings("lookup")
    with bench.redis() as client, CheckpointManager(settings) as manager:
        for number in range(JOBS):
            client.hset(f"bare-{number}", mapping=dict.fromkeys(STAGES, encoded()))
        with working(bench, settings, "projector"):
            caught_up(settings, "projector", fill(settings, JOBS * 8))
        yield _row(bench, VIEW, Jobs(manager, client, 0), "log of 400 entries")
        fill(settings, JOBS * 8, first=JOBS)
        yield _row(bench, LOG, Jobs(manager, client, JOBS), "log of 800 entries")
        depth = f"log of {_deepened(bench, settings, client):,} entries"
        fill(settings, JOBS * 8, first=2 * JOBS)
        yield _row(bench, DEEP_VIEW, Jobs(manager, client, 0), depth)
        yield _row(bench, DEEP_LOG, Jobs(manager, client, 2 * JOBS), depth)


class Jobs(NamedTuple):
    """Who looks up, and which jobs."""

    manager: CheckpointManager
    client: Any
    first: int
    """The number of the first job."""


def _row(bench: Bench, aim: Aim, jobs: Jobs, depth: str) -> Row:
    """Look up jobs, and hashes of the same data."""
    manager, client, first = jobs

    def ours(number: int) -> None:
        point = manager.get_resume_point(job_name(first + number % JOBS))
        if point is None or len(point["stage_data"]) != len(STAGES):
            raise AssertionError(f"not eight stages: {point}")

    def theirs(number: int) -> object:
        found = client.hgetall(f"bare-{number % JOBS}")
        return {stage: msgspec.json.decode(data) for stage, data in found.items()}

    calls = bench.plan.calls
    figures = compared(Timed(ours, calls), Timed(theirs, calls), aim.limit, bench.pace())
    return aim.row(f"p50 of {calls} calls a round; {depth}", *figures)


def _deepened(bench: Bench, settings: Settings, client: Any) -> int:
    return deepen(client, settings, bench.plan.deep_entries, bench.plan.fill_seconds)
