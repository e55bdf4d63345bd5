"""A short run of the harness: the whole system is hurt, and keeps its promises."""

from chaos.report import report
from chaos.run import run

SEED = 3
SECONDS = 75.0
"""With the time to start and to recover it is two minutes at most."""


def test_nothing_acknowledged_is_lost_and_nothing_stale_is_accepted() -> None:
    progress: list[str] = []
    outcome = run(SECONDS, SEED, progress.append)
    assert not outcome.violations, report(outcome)
    assert not outcome.fell_short, report(outcome)
    assert outcome.evidence.archived
    assert {one.what for one in outcome.evidence.records} >= {"ack", "answer", "refused"}
