"""Ratio 1: a save that the log acknowledges, beside the bare command that it is made of."""

import asyncio
from collections.abc import Iterator
from typing import Self

from bench.benchmark import SAVES, Load, bare_rate, name_of_bare
from bench.row import Aim, Row, at_least, at_most
from bench.servers import Bench
from bench.turns import Timed, compared, rate
from bench.workload import DATA, STAGES, encoded, job_name
from checkpoint import AsyncCheckpointManager, CheckpointManager, Settings

CALLERS = 64

SAVE = Aim(1, "save", "save, acknowledged by the log", "XADD by redis-py", "µs", at_most(1.25))
IN_FLIGHT = Aim(
    1,
    "save-64",
    "save, asynchronous, 64 in flight",
    f"{name_of_bare()}, 64 clients",
    "saves/s",
    at_least(0.6),
)
AIMS = (SAVE, IN_FLIGHT)


def measure(bench: Bench) -> Iterator[Row]:
    """Measure both."""
    yield _one_client(bench)
    yield _in_flight(bench)


def _one_client(bench: Bench) -> Row:
    """Save jobs' stages one by one; XADD the same data, written as JSON at each call."""
    with CheckpointManager(bench.settings("save")) as manager, bench.redis() as client:
        ours = Timed(
            lambda n: manager.save(job_name(n // 8), STAGES[n % 8], DATA), bench.plan.calls
        )
        theirs = Timed(lambda _: client.xadd("bare", {"event": encoded()}), bench.plan.calls)
        figures = compared(ours, theirs, SAVE.limit, bench.pace())
    return SAVE.row(f"p50 of {bench.plan.calls} calls a round, neither fsynced", *figures)


def _in_flight(bench: Bench) -> Row:
    """Save from 64 tasks of one process; the other side XADDs from 64 connections."""
    with Saver(bench.settings("save")) as saver:
        figures = compared(
            lambda: saver.rate(bench.plan.in_flight),
            lambda: bare_rate(bench, SAVES, Load(bench.plan.in_flight, CALLERS)),
            IN_FLIGHT.limit,
            bench.pace(),
        )
    size = f"{bench.plan.in_flight:,} saves a round, no pipelining, neither fsynced"
    return IN_FLIGHT.row(size, *figures)


class Saver:
    """An asynchronous manager with 64 callers, each of which waits for its own save."""

    def __init__(self, settings: Settings, ack: str = "log") -> None:
        """Take the log, and what every save waits for."""
        self._runner = asyncio.Runner()
        self._settings = settings
        self._ack = ack
        self._number = 0

    def __enter__(self) -> Self:
        """Open it."""
        self._manager = self._runner.run(self._open())
        self.rate(CALLERS * 2)  # connections are made
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self._runner.run(self._manager.close())
        self._runner.close()

    async def _open(self) -> AsyncCheckpointManager:
        return AsyncCheckpointManager(self._settings)

    def rate(self, count: int) -> float:
        """Make so many saves; return how many there were in a second."""
        first = self._number
        self._number += count
        return rate(count, lambda: self._runner.run(self._save(first, count)))

    async def _save(self, first: int, count: int) -> None:
        numbers = iter(range(first, first + count))

        async def caller() -> None:
            for number in numbers:
                job, stage = job_name(number // 8), STAGES[number % 8]
                await self._manager.save(job, stage, DATA, ack=self._ack)

        async with asyncio.TaskGroup() as group:
            for _ in range(CALLERS):
                group.create_task(caller())
