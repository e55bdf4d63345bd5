"""Retrying: a call is tried again until its deadline, while what fails passes by itself."""

from collections.abc import Callable
from itertools import count
from random import random
from time import monotonic
from typing import TypeVar

from checkpoint.events.errors import LogNotCompared, LogUnavailable
from checkpoint.events.steps import Pause, Steps

FIRST_PAUSE = 0.02
LONGEST_PAUSE = 1.0

T = TypeVar("T")


def retried(attempt: Callable[[int], Steps[T]], deadline: float) -> Steps[T]:
    """Run an attempt, and again with growing, jittered pauses while Redis is away.

    The same goes for a Redis that was restarted and is not compared with the archive yet. An
    attempt is told how many tries there were before.
    """
    pause = FIRST_PAUSE
    for tries in count():
        try:
            return (yield from attempt(tries))
        except (LogUnavailable, LogNotCompared):
            wait = pause * (0.5 + random())  # noqa: S311 - jitter, not a secret
            if monotonic() + wait >= deadline:
                raise
            yield Pause(wait)
            pause = min(2 * pause, LONGEST_PAUSE)
    raise AssertionError  # count() does not end
