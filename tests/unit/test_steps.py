"""Steps: what they say of themselves."""

from time import monotonic

import pytest

from checkpoint.events.script import Call, Script
from checkpoint.events.steps import SyncedCall

CALL = Call(Script.of("nothing", "return 1"), [], [])


@pytest.mark.parametrize(
    ("left", "longest", "low", "high"),
    [(60.0, 0.3, 300, 300), (0.2, 60.0, 100, 200), (-5.0, 60.0, 1, 1), (60.0, 0.0, 1, 1)],
)
def test_a_wait_for_the_disk_ends_at_the_deadline_whenever_it_begins(
    left: float, longest: float, low: int, high: int
) -> None:
    assert low <= SyncedCall(CALL, monotonic() + left, longest).timeout_ms <= high
