"""Crash points: places between two effects, where a test can make the process die.

With CHECKPOINT_CRASH_AT naming one of them, the process ends itself with SIGKILL when it gets
there. Without it, a crash point does nothing.
"""

import os
import signal
from collections.abc import Callable
from typing import Literal

CrashPoint = Literal[
    "log: named",
    "log: registered",
    "log: partitions marked",
    "append: before the script",
    "append: after the script",
    "view: before the write",
    "view: after the write",
    "archive: before the rows",
    "archive: before the commit",
    "archive: after the commit",
    "archive: after the watermark",
    "log: before the trim",
    "log: after the trim",
    "restart: on record",
    "restart: fenced",
    "restore: partition closed",
    "restore: on record",
    "restore: jobs written",
    "restore: partition opened",
    "restore: before the gate",
    "rebuild: before the views",
    "rebuild: after the views",
    "spool: before the write",
    "spool: after the write",
    "spool: after the log",
    "spool: drained",
]

_WANTED = os.environ.get("CHECKPOINT_CRASH_AT", "")


def _die(point: CrashPoint) -> None:
    if point == _WANTED:
        os.kill(os.getpid(), signal.SIGKILL)


def _go_on(_: CrashPoint) -> None: ...


crash_point: Callable[[CrashPoint], None] = _die if _WANTED else _go_on
