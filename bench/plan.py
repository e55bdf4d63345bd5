"""Plans: how much a run measures. The kinds of work are the same in all, only the sizes differ."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """The sizes of one run."""

    name: str
    total_seconds: float
    """After that a comparison makes no more rounds than it must."""
    seconds: float
    """That the rounds of one comparison of calls may take."""
    drain_seconds: float
    """That the rounds of one comparison of workers, each with a start of its own, may take."""
    fill_seconds: float
    """That filling up may take, before it stops short of its size."""
    least_rounds: int
    least_drains: int
    """The same of rounds that start workers."""
    most_rounds: int
    calls: int
    """Timed calls of a side in a round."""
    in_flight: int
    """Saves of a side in a round with 64 callers."""
    batch: int
    """Events that `save_many` takes in a round."""
    backlog: int
    """Events that a worker drains in a round."""
    deep_entries: int
    """Of the log that a lookup has behind it."""
    deep_rows: int
    """Of the table that the snapshotter adds to."""
    corpus: int
    """Events that are replayed, and that views are rebuilt from."""
    sized: int
    """Events whose bytes are counted."""
    jobs: int
    """Of a log with many jobs."""
    lag_seconds: float
    """That 5,000 events/s are offered."""
    idle_seconds: float
    """That idle workers are watched."""
    peer_rounds: int
    peer_jobs: int
    """Jobs of eight stages that each contender ingests in a round."""
    counts_instructions: bool
    """Run the hot functions under callgrind."""


FULL = Plan(
    name="full",
    total_seconds=700.0,
    seconds=10.0,
    drain_seconds=40.0,
    fill_seconds=120.0,
    least_rounds=5,
    least_drains=3,
    most_rounds=60,
    calls=200,
    in_flight=4000,
    batch=4000,
    backlog=150_000,
    deep_entries=10_000_000,
    deep_rows=10_000_000,
    corpus=200_000,
    sized=80_000,
    jobs=1_000_000,
    lag_seconds=10.0,
    idle_seconds=10.0,
    peer_rounds=3,
    peer_jobs=250,
    counts_instructions=True,
)

QUICK = Plan(
    name="quick",
    total_seconds=75.0,
    seconds=1.5,
    drain_seconds=1.0,
    fill_seconds=2.0,
    least_rounds=3,
    least_drains=1,
    most_rounds=20,
    calls=100,
    in_flight=1500,
    batch=4000,
    backlog=24_000,
    deep_entries=300_000,
    deep_rows=50_000,
    corpus=24_000,
    sized=16_000,
    jobs=50_000,
    lag_seconds=2.5,
    idle_seconds=2.0,
    peer_rounds=1,
    peer_jobs=40,
    counts_instructions=False,
)

TINY = Plan(
    name="tiny",
    total_seconds=0.0,
    seconds=0.0,
    drain_seconds=0.0,
    fill_seconds=2.0,
    least_rounds=1,
    least_drains=1,
    most_rounds=1,
    calls=8,
    in_flight=128,
    batch=400,
    backlog=2400,
    deep_entries=5000,
    deep_rows=4000,
    corpus=1600,
    sized=1600,
    jobs=2000,
    lag_seconds=0.6,
    idle_seconds=0.3,
    peer_rounds=1,
    peer_jobs=4,
    counts_instructions=False,
)

PLANS = {plan.name: plan for plan in (FULL, QUICK, TINY)}
