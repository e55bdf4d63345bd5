"""Undisturbed: how a process reads that does nothing but read a whole log."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SWITCH_SECONDS = 0.00002
"""How long a thread that could go on waits for one that computes. Python's own five milliseconds
are as long as Postgres takes for some thousand events, and it would have nothing to do then."""


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let a process do nothing but read a log, at its full speed.

    Nothing of it is part of a cycle, and to look for cycles takes as long as all the rest. And
    who has been answered asks for more at once, and does not wait for a turn first.
    """
    interval = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
        sys.setswitchinterval(interval)
