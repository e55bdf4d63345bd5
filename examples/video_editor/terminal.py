"""What the person at the terminal sees: a bar for the stage at work, or lines in a log file."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from .files import Report

STEPS = 100
"""Lines that a stage may print where there is no terminal: one for every percent."""


def standard_output() -> Console:
    """Return a console on standard output, which replaces what its encoding cannot hold."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    return Console(highlight=False, soft_wrap=True)


class Terminal:
    """Prints progress to standard output."""

    def __init__(self, console: Console | None = None) -> None:
        """Print to a console; by default standard output."""
        self._console = console or standard_output()

    def say(self, text: str) -> None:
        """Print a line; nothing in it is taken for markup."""
        self._console.print(text, markup=False)

    @contextmanager
    def stage(self, name: str) -> Iterator[Report]:
        """Show a stage at work; yields what takes its progress."""
        if not self._console.is_terminal:
            yield self._lines(name)
            return
        columns = (
            TextColumn(f"{name:<20}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task(name, total=1.0)
            yield lambda done: progress.update(task, completed=done)

    def _lines(self, name: str) -> Report:
        said = -1

        def report(done: float) -> None:
            nonlocal said
            if said < (step := int(done * STEPS)) < STEPS:
                said = step
                self.say(f"{name}: {100 * step // STEPS} %")

        report(0.0)
        return report
