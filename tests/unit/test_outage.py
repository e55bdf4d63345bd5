"""Outages: two lines in the log, however many attempts, and one for each further reason."""

import logging

import pytest

from checkpoint.events.errors import ArchiveNotReady, LogUnavailable
from checkpoint.events.outage import LONGEST, SHORTEST, Outage


def test_an_outage_is_two_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    outage = Outage(logging.getLogger("test"))
    outage.over()
    for _ in range(2):
        waits = [outage.wait(LogUnavailable("Redis is away")) for _ in range(100)]
        assert all(SHORTEST / 2 <= one <= LONGEST for one in waits)
        assert len(set(waits)) > 1
        outage.over()
        outage.over()
    texts = [record.getMessage() for record in caplog.records]
    assert texts == ["Redis is away. Trying again until it is back", "Back after 0.0 s"] * 2


def test_each_reason_of_an_outage_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage(logging.getLogger("test"))
    for _ in range(3):
        outage.wait(LogUnavailable("Redis is away"))
        outage.wait(ArchiveNotReady("There is no schema"))
    assert [record.getMessage().partition(".")[0] for record in caplog.records] == [
        "Redis is away",
        "There is no schema",
    ]
