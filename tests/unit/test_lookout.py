"""The lookout warns once of each step to the worse, and anew after it was well again."""

from collections.abc import Sequence

import pytest

from checkpoint.events.entry_id import ZERO
from checkpoint.lookout import Lookout, Rising
from checkpoint.query.lag import Lag
from checkpoint.readings import Reading


def reading(*, full: float = 0.1, limit: int = 1000, age: float = 0.0) -> Reading:
    lags = [
        Lag("projector", 0, 1, 1e6, ZERO, ZERO),
        Lag("snapshotter", 0, 0, 0.0, ZERO, ZERO),
        Lag("snapshotter", 1, 1, age, ZERO, ZERO),
    ]
    return Reading(lags, {}, round(full * 1000), limit)


def warned(readings: Sequence[Reading], *, has_archive: bool = True) -> list[int]:
    """Say how many warnings each reading brings, one after another."""
    lookout = Lookout(has_archive=has_archive)
    return [len(list(lookout.warnings(one))) for one in readings]


def test_levels_are_told_once_as_they_are_reached() -> None:
    rising = Rising(10, lambda level: 2 * level)
    values = [9, 10, 15, 19, 20, 90, 100, 159, 160, 12, 9, 11]
    told = [value for value in values if rising.reaches(value)]
    assert told == [10, 20, 90, 160, 11]


def test_nothing_is_said_while_all_is_well() -> None:
    assert warned([reading(), reading(full=0.79, age=59.0)]) == [0, 0]


def test_memory_is_warned_of_at_80_percent_and_every_5_more() -> None:
    shares = [0.7, 0.8, 0.82, 0.86, 0.88, 0.91, 0.96, 0.5, 0.8]
    assert warned([reading(full=share) for share in shares]) == [0, 1, 0, 1, 0, 1, 1, 0, 1]


def test_memory_without_a_limit_is_never_full() -> None:
    assert warned([reading(full=1e9, limit=0)]) == [0]


def test_age_is_warned_of_at_a_minute_and_every_doubling() -> None:
    ages = [59.0, 61.0, 119.0, 121.0, 500.0, 900.0, 960.0, 0.0, 60.0]
    assert warned([reading(age=age) for age in ages]) == [0, 1, 0, 1, 1, 0, 1, 0, 1]


def test_without_an_archive_nothing_waits_for_one() -> None:
    assert warned([reading(age=1e6)], has_archive=False) == [0]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (reading(full=0.85), "Redis uses 85% of its maxmemory"),
        (reading(age=75.4), "The oldest entry that the archive lacks is 75 s old"),
    ],
)
def test_a_warning_says_what_is_wrong_and_what_to_do(found: Reading, words: str) -> None:
    (warning,) = Lookout(has_archive=True).warnings(found)
    assert warning.startswith(words)
    assert "See that" in warning
