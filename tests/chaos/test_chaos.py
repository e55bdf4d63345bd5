"""A short run of the harness: the whole system is hurt, and keeps its promises."""

from chaos.runs.report import report
from chaos.runs.run import run

SEED = 3
SECONDS = 75.0
"""With the time to start and to recover it is two minutes at most."""


def test_no_law_is_broken() -> None:
    progress: list[str] = []
    outcome = run(SECONDS, SEED, progress.append)
    assert not outcome.judgement.violations, report(outcome)
    assert outcome.evidence.archived
    assert {one.what for one in outcome.evidence.records} >= {"ack", "answer", "refused", "fork"}
