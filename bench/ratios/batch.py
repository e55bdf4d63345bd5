"""Ratio 4: many saves in one call, beside a pipeline of bare XADDs."""

from collections.abc import Iterator
from itertools import count
from typing import Any

from bench.row import Aim, Row, at_least
from bench.servers import Bench
from bench.turns import compared, rate
from bench.workload import encoded, items
from checkpoint import CheckpointManager

PIPELINED = 500
"""XADDs that go in one write: more make redis-py no faster."""

BATCH = Aim(4, "save-many", "save_many", "pipelined XADD by redis-py", "events/s", at_least(1.2))
AIMS = (BATCH,)


def measure(bench: Bench) -> Iterator[Row]:
    """Save a batch; XADD as many events, written as JSON at each, to as many streams."""
    size, numbers = bench.plan.batch, count()
    with CheckpointManager(bench.settings("batch")) as manager, bench.redis() as client:

        def ours() -> float:
            saves = list(items(next(numbers) * size, size))
            return rate(size, lambda: manager.save_many(saves))

        ours()
        figures = compared(
            ours,
            lambda: rate(size, lambda: pipelined(client, size)),
            BATCH.limit,
            bench.pace(),
        )
    yield BATCH.row(
        f"{size:,} events a round, XADDs {PIPELINED} a write; neither fsynced", *figures
    )


def pipelined(client: Any, events: int) -> None:
    """XADD so many events, 500 in a write."""
    for first in range(0, events, PIPELINED):
        pipe = client.pipeline(transaction=False)
        for _ in range(min(PIPELINED, events - first)):
            pipe.xadd("bare", {"event": encoded()})
        pipe.execute()
