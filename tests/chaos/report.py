"""The report: what a run did, what was acknowledged, what broke, how long recovery took."""

from collections import Counter
from collections.abc import Iterator
from statistics import median

from .run import Run, recoveries

SHOWN = 40


def report(run: Run) -> str:
    """Return a run's report as text."""
    return "\n".join(_lines(run))


def _lines(run: Run) -> Iterator[str]:
    yield "\nfaults injected"
    for kind, times in sorted(Counter(one.fault.kind for one in run.injured).items()):
        yield f"  {kind:<16}{times:>6}"
    levels = Counter(one.level for one in run.evidence.records if one.what == "ack" and one.id)
    whats = Counter(one.what for one in run.evidence.records)
    yield "events acknowledged"
    for level in ("log", "synced", "durable"):
        yield f"  {level:<16}{levels[level]:>6}"
    yield f"in doubt {whats['doubt']}, refused {whats['refused']}, answers {whats['answer']}"
    found = run.evidence
    yield f"entries seen {len(found.seen)}, archived {len(found.archived)}"
    yield f"dead letters {len(found.dead)}"
    by_job = sum(row.event["type"] == "events_lost" for row in found.archived)
    yield f"lost by Redis and named: {_lost(run)}, in {by_job} events by job and version"
    yield "recovery, seconds (p50, max)"
    for kind, took in recoveries(run):
        yield f"  {kind:<16}{median(took):>6.2f}{max(took):>8.2f}"
    yield f"violations: {len(run.violations)} (seed {run.schedule.seed})"
    for violation in run.violations[:SHOWN]:
        yield f"  {violation.promise}: job {violation.job!r}: {violation.evidence}"
    yield from (f"  {line}" for line in run.fell_short)


def _lost(run: Run) -> int:
    kept = {(row.partition, row.id) for row in run.evidence.archived}
    return len(run.evidence.seen.keys() - kept)
