"""Turns: measuring sides one after the other, A B A B, so that what the machine does hits all."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from .row import Limit, Spread

Side = Callable[[], float]
"""One round of one side: returns its figure."""

WARM_UP_CALLS = 10


class Pace(NamedTuple):
    """How many rounds there are: until all is decided, within these bounds."""

    least: int
    most: int
    until: float
    """By the monotonic clock."""


class Pair(NamedTuple):
    """Two sides by their numbers, and the limit of their ratio."""

    ours: int
    theirs: int
    limit: Limit | None

    def is_decided(self, rounds: Sequence[Sequence[float]]) -> bool:
        """Say whether the spread of the ratio is smaller than the margin that it decides."""
        ratios = [one[self.ours] / one[self.theirs] for one in rounds]
        return self.limit is None or Spread.of(ratios).decides(self.limit)


def in_turns(sides: Sequence[Side], pairs: Sequence[Pair], pace: Pace) -> list[list[float]]:
    """Let the sides take turns until all pairs are decided; return the figures of each side."""
    rounds: list[list[float]] = []
    while len(rounds) < pace.least or (
        len(rounds) < pace.most
        and time.monotonic() < pace.until
        and not all(pair.is_decided(rounds) for pair in pairs)
    ):
        rounds.append([side() for side in sides])
    return [list(figures) for figures in zip(*rounds, strict=True)]


def compared(
    ours: Side, theirs: Side, limit: Limit | None, pace: Pace
) -> tuple[list[float], list[float]]:
    """Let two sides take turns."""
    one, other = in_turns([ours, theirs], [Pair(0, 1, limit)], pace)
    return one, other


def repeated(side: Side, limit: Limit, pace: Pace) -> list[float]:
    """Measure one side until its own spread is smaller than the margin to the limit."""
    figures: list[float] = []
    while len(figures) < pace.least or (
        len(figures) < pace.most
        and time.monotonic() < pace.until
        and not Spread.of(figures).decides(limit)
    ):
        figures.append(side())
    return figures


class Timed:
    """A call as a side: the median of its times in a round, in microseconds.

    `call` is given a number that grows from call to call.
    """

    def __init__(self, call: Callable[[int], object], calls: int) -> None:
        """Take the call, make it a few times unmeasured, and time it so often in a round."""
        self._call = call
        self._calls = calls
        self._number = 0
        for _ in range(WARM_UP_CALLS):
            self._time()

    def __call__(self) -> float:
        """Make one round."""
        return statistics.median([self._time() for _ in range(self._calls)]) * 1e6

    def _time(self) -> float:
        number = self._number
        self._number += 1
        begun = time.perf_counter()
        self._call(number)
        return time.perf_counter() - begun


def rate(count: int, work: Callable[[], object]) -> float:
    """Do work that handles `count` things; return how many it handled in a second."""
    begun = time.perf_counter()
    work()
    return count / (time.perf_counter() - begun)
