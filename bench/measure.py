"""Measuring two things side by side: A B A B, so that what the machine does hits both alike."""

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

ROUNDS = 15
CALLS = 200


class Ratio(NamedTuple):
    """Ours beside theirs: medians in microseconds, the ratio, and its spread over the rounds."""

    ours: float
    theirs: float
    ratio: float
    low: float
    high: float


def side_by_side(ours: Callable[[int], object], theirs: Callable[[int], object]) -> Ratio:
    """Time both in turns; low and high are the quartiles of the ratio."""
    pairs = [(_median(ours), _median(theirs)) for _ in range(ROUNDS)]
    ratios = [one / other for one, other in pairs]
    low, _, high = statistics.quantiles(ratios)
    return Ratio(
        statistics.median(one for one, _ in pairs),
        statistics.median(other for _, other in pairs),
        statistics.median(ratios),
        low,
        high,
    )


def _median(call: Callable[[int], object]) -> float:
    times = []
    for number in range(CALLS):
        begun = time.perf_counter()
        call(number)
        times.append(time.perf_counter() - begun)
    return statistics.median(times) * 1e6
