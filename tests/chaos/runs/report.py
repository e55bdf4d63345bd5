"""The report: laws, faults, excuses and violations of a run, and how long recovery took."""

from collections import Counter
from collections.abc import Iterator
from statistics import median

from chaos.laws.judge import LAWS

from .run import Run, recoveries

SHOWN = 5
"""Violations of one law that are shown."""


def report(run: Run) -> str:
    """Return a run's report as text."""
    return "\n".join(_lines(run))


def _lines(run: Run) -> Iterator[str]:
    yield "\nfaults injected: times, and seconds until all was whole again (median, longest)"
    for kind, took in recoveries(run):
        yield f"  {kind:<26}{len(took):>4}{median(took):>8.2f}{max(took):>8.2f}"
    yield from _heard(run)
    yield from _excused(run)
    yield from _laws(run)


def _heard(run: Run) -> Iterator[str]:
    found = run.evidence
    yield "what producers heard"
    levels = Counter(one.level for one in found.records if one.what == "ack" and one.level)
    for level in ("log", "synced", "durable", "spooled"):
        yield f"  acknowledged as {level:<12}{levels[level]:>6}"
    whats = Counter(one.what for one in found.records)
    sources = Counter(one.source or "-" for one in found.records if one.what == "answer")
    yield f"  in doubt {whats['doubt']}, refused {whats['refused']}, forks {whats['fork']}"
    yield f"  answers {whats['answer']}, from " + ", ".join(f"{n}: {c}" for n, c in sources.items())
    errors = Counter(one.error for one in found.records if one.what == "end" and one.error)
    yield "  errors " + ", ".join(f"{name}: {times}" for name, times in errors.most_common())
    yield (
        f"entries seen {len(found.seen)}, archived {len(found.archived)}, dead letters "
        f"{len(found.dead)} of {len(found.poison)} strange and {len(found.forged)} forged entries"
    )
    if found.memory:
        worst = max((one.used - one.limit) / 2**20 for one in found.memory)
        yield f"memory beyond the limit, at most {worst:.1f} MB"


def _excused(run: Run) -> Iterator[str]:
    excuses = sorted(run.judgement.excuses.items(), key=lambda one: one[0].at)
    yield f"excused: {sum(run.judgement.excuses.values())} acknowledged events"
    for (level, why, at), times in excuses:
        yield f"  {times} {level} event{'s' * (times > 1)} {why} at {at - run.begun:.1f} s"


def _laws(run: Run) -> Iterator[str]:
    broken = Counter(one.law for one in run.judgement.violations)
    yield "laws"
    for law in LAWS:
        yield f"  {law:<40}{broken[law] or 'kept':>6}"
    yield f"violations: {len(run.judgement.violations)} (seed {run.schedule.seed})"
    for law in broken:
        ours = [one for one in run.judgement.violations if one.law == law]
        for violation in ours[:SHOWN]:
            yield f"  {law}: job {violation.job!r}: {violation.evidence[:1500]}"
        if len(ours) > SHOWN:
            yield f"  {law}: and {len(ours) - SHOWN} more"
