"""Ratio 6: how fast a snapshotter archives a backlog, beside psycopg's COPY into the same table."""

from collections.abc import Iterator

from bench.bare import copy_into
from bench.deep_table import deepen
from bench.lag import lags
from bench.row import Aim, Row, at_least, at_most
from bench.servers import Bench
from bench.turns import Pair, in_turns
from bench.workers import drain
from bench.workload import fill
from checkpoint import CheckpointManager, Settings

from .projector import lag_rows

COPY = "binary COPY by psycopg into the same table"
NEW = Aim(
    6, "snapshotter", "snapshotter through Faust, new table", COPY, "events/s", at_least(0.85)
)
DEEP = Aim(6, "snapshotter-deep", "the same, deep table", COPY, "events/s", at_least(0.85))
FLAT = Aim(
    6,
    "snapshotter-flat",
    "snapshotter, deep table",
    "snapshotter, new table",
    "events/s",
    at_least(0.9),
)
COPY_FLAT = Aim(6, "copy-flat", "COPY alone, deep table", "COPY alone, new table", "events/s", None)
P99 = Aim(6, "snapshotter-lag-p99", "from append to archive, p99", "", "ms", at_most(250))
P50 = Aim(6, "snapshotter-lag-p50", "from append to archive, p50", "", "ms", None)
AIMS = (NEW, DEEP, FLAT, COPY_FLAT, P50, P99)


def measure(bench: Bench) -> Iterator[Row]:
    """Let four sides take turns: worker and COPY, into a table that is new and one that is deep."""
    sides = Tables(bench)
    pairs = [Pair(0, 1, NEW.limit), Pair(2, 3, DEEP.limit), Pair(2, 0, FLAT.limit)]
    figures = in_turns(
        [sides.new_archived, sides.new_copied, sides.deep_archived, sides.deep_copied],
        pairs,
        bench.slow_pace(),
    )
    new, new_copy, deep, deep_copy = figures
    added = f"{bench.plan.backlog:,} events a round"
    depth = f"{added} upon {sides.depth:,} rows"
    yield NEW.row(f"{added} into an empty table", new, new_copy)
    yield DEEP.row(depth, deep, deep_copy)
    yield FLAT.row(depth, deep, new)
    yield COPY_FLAT.row(depth, deep_copy, new_copy)
    yield from lag_rows(P50, P99, lags(bench, "snapshotter"))


class Tables:
    """Two archives: one that is new in each round, one that was deep before the first."""

    def __init__(self, bench: Bench) -> None:
        """Make the deep one."""
        self._bench = bench
        self._new = self._deep = bench.settings("deep")
        self._first = 0
        self._drained(self._deep)
        with bench.psycopg() as connection:
            schema = self._deep.namespace
            self.depth = deepen(connection, schema, bench.plan.deep_rows, bench.plan.fill_seconds)

    def new_archived(self) -> float:
        """Archive a backlog into a new table."""
        self._new = self._bench.settings("new")
        return self._drained(self._new)

    def new_copied(self) -> float:
        """COPY as many rows into a table that is as new."""
        other = self._bench.settings("new")
        with CheckpointManager(other) as manager:
            manager.get_job_progress("nobody")  # the table is made
        return self._copied(other)

    def deep_archived(self) -> float:
        """Archive a backlog into the deep table."""
        return self._drained(self._deep)

    def deep_copied(self) -> float:
        """COPY as many rows into the deep table."""
        return self._copied(self._deep)

    def _next(self) -> int:
        self._first += self._bench.plan.backlog
        return self._first // 8

    def _drained(self, settings: Settings) -> float:
        filled = fill(settings, self._bench.plan.backlog, first=self._next())
        return drain(self._bench, settings, "snapshotter", filled).per_second

    def _copied(self, settings: Settings) -> float:
        with self._bench.psycopg() as connection:
            schema, events = settings.namespace, self._bench.plan.backlog
            return copy_into(connection, schema, self._next(), events)
