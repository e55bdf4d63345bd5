"""Ratio 5: how fast a projector drains a backlog, and how far it is behind at a steady load."""

from collections.abc import Iterator

from msgspec.structs import replace

from bench.lag import EVENTS_PER_SECOND, Lags, lags
from bench.row import Aim, Row, at_least, at_most
from bench.servers import Bench
from bench.turns import repeated
from bench.workers import drain
from bench.workload import fill

SPREAD_JOBS = 5000
ENOUGH = 0.98
"""Of the load that is wanted: at a smaller one a lag says little."""

DRAIN = Aim(
    5, "projector", "projector through Faust, of a backlog", "", "events/s", at_least(100_000)
)
SPREAD = Aim(
    5, "projector-spread", f"the same, {SPREAD_JOBS:,} jobs side by side", "", "events/s", None
)
P50 = Aim(5, "projector-lag-p50", "from append to view, p50", "", "ms", at_most(15))
P99 = Aim(5, "projector-lag-p99", "from append to view, p99", "", "ms", at_most(60))
AIMS = (DRAIN, SPREAD, P50, P99)


def measure(bench: Bench) -> Iterator[Row]:
    """Measure the backlog, then the lag."""
    limit = DRAIN.limit or at_least(0)
    rates = repeated(lambda: _drained(bench, 1), limit, bench.slow_pace())
    yield DRAIN.row(
        f"backlog of {bench.plan.backlog:,}, a job's eight events close together", rates
    )
    spread = _drained(bench, SPREAD_JOBS)
    yield SPREAD.row(
        f"backlog of {bench.plan.backlog:,}, a job at most once or twice in a slice", [spread]
    )
    yield from lag_rows(P50, P99, lags(bench, "projector"))


def _drained(bench: Bench, side_by_side: int) -> float:
    """Fill a new log; start a worker, and read its rate off the middle of the backlog."""
    settings = bench.settings("projector")
    seconds = bench.plan.fill_seconds
    filled = fill(settings, bench.plan.backlog, side_by_side=side_by_side, seconds=seconds)
    return drain(bench, settings, "projector", filled).per_second


def lag_rows(p50: Aim, p99: Aim, measured: Lags) -> Iterator[Row]:
    """Make the rows of a lag: the judged figures are of all entries, the quartiles of seconds."""
    came = measured.offered >= EVENTS_PER_SECOND * ENOUGH
    size = (
        f"{EVENTS_PER_SECOND:,} events/s wanted, {measured.offered:,.0f} came; all of "
        f"{len(measured.all):,} entries; no other worker runs"
    )
    for aim, hundredth in ((p50, 50), (p99, 99)):
        overall, seconds = measured.quantile(hundredth)
        row = aim.row(size, seconds, overall=overall)
        yield replace(row, sure=row.sure and came)
