"""Ratio 2: a durable save, beside an INSERT with its commit. Both are on Postgres' disk."""

from collections.abc import Iterator

from bench.bare import Bare
from bench.row import Aim, Row, at_least, at_most
from bench.servers import Bench
from bench.turns import Timed, compared, rate
from bench.workers import working
from bench.workload import DATA, STAGES, job_name
from checkpoint import CheckpointManager, Settings

from .save import Saver

ONE = Aim(2, "durable", "save, durable, one client", "INSERT by psycopg", "µs", at_most(3))
MANY = Aim(
    2,
    "durable-64",
    "save, durable, 64 clients",
    "INSERT by psycopg, one client",
    "saves/s",
    at_least(10),
)
AIMS = (ONE, MANY)


def measure(bench: Bench) -> Iterator[Row]:
    """Measure both while a snapshotter runs, into which every save goes."""
    settings = bench.settings("durable")
    with working(bench, settings, "snapshotter"), Bare(bench) as bare:
        yield _one_client(bench, settings, bare)
        yield _many_clients(bench, settings, bare)


def _one_client(bench: Bench, settings: Settings, bare: Bare) -> Row:
    """Save and wait until the archive has committed; INSERT a row of the same data and commit."""
    calls = max(5, bench.plan.calls // 4)
    with CheckpointManager(settings) as manager:

        def save(number: int) -> None:
            manager.save(job_name(-number // 8), STAGES[number % 8], DATA, ack="durable")

        figures = compared(Timed(save, calls), Timed(bare.insert, calls), ONE.limit, bench.pace())
    return ONE.row(f"p50 of {calls} calls a round, both fsynced by Postgres", *figures)


def _many_clients(bench: Bench, settings: Settings, bare: Bare) -> Row:
    """Save from 64 tasks, each of which waits for its own commit; INSERT from one client."""
    saves = max(128, bench.plan.in_flight // 4)
    inserts = max(10, bench.plan.calls // 2)

    def insert() -> None:
        for number in range(inserts):
            bare.insert(number)

    with Saver(settings, "durable") as saver:
        figures = compared(
            lambda: saver.rate(saves), lambda: rate(inserts, insert), MANY.limit, bench.pace()
        )
    return MANY.row(f"{saves:,} saves and {inserts:,} INSERTs a round, both fsynced", *figures)
