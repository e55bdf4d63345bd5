"""Progress: a line on stderr that tells how far something long has come, if somebody watches."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING

from .words import when

if TYPE_CHECKING:
    from rich.progress import Progress

QUIET_SECONDS = 2.0


class Meter:
    """Shows how far something has come once it has taken two seconds; nothing before."""

    def __init__(self, stack: ExitStack, what: str, total: float | None) -> None:
        """Take what is done, and how much there is of it; None where nobody knows."""
        self._stack = stack
        self._what = what
        self._total = total
        self._begun = monotonic()
        self._progress: Progress | None = None

    def show(self, done: float, detail: str) -> None:
        """Tell how much is done."""
        if self._progress is None:
            if not sys.stderr.isatty() or monotonic() - self._begun < QUIET_SECONDS:
                return
            self._progress = self._stack.enter_context(_bar())
            self._progress.add_task(self._what, total=self._total, detail=detail)
        self._progress.update(self._progress.task_ids[0], completed=done, detail=detail)


@contextmanager
def metered(what: str, total: float | None = None) -> Iterator[Meter]:
    """Yield a meter that is gone when the block ends."""
    with ExitStack() as stack:
        yield Meter(stack, what, total)


@contextmanager
def looking_back() -> Iterator[Callable[[int, datetime], None]]:
    """Yield what a list of jobs tells how far it has come."""
    with metered("looking for jobs") as meter:
        yield lambda jobs, back_to: meter.show(jobs, f"{jobs:,} seen, back to {when(back_to)}")


def _bar() -> "Progress":
    from rich.console import Console  # noqa: PLC0415 - a tenth of a second, for who draws
    from rich.progress import (  # noqa: PLC0415 - likewise
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[detail]}", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
