"""Plans: how much a run measures. The kinds of work are the same in all, only the sizes differ."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

import msgspec


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


def _plans() -> dict[str, Plan]:
    sizes = tomllib.loads(Path(__file__).with_name("plans.toml").read_text(encoding="utf-8"))
    columns = zip(*sizes.values(), strict=True)
    plans = [msgspec.convert(dict(zip(sizes, one, strict=True)), Plan) for one in columns]
    return {plan.name: plan for plan in plans}


PLANS = _plans()
