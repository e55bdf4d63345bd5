"""Report: what a verification went over, and where it tells what it finds."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from checkpoint.snapshotter.discrepancy import Discrepancy


@dataclass
class Report:
    """What a verification went over. `found` is told of each difference as it is found."""

    found: Callable[[Discrepancy], None]
    progress: Callable[["Report"], None]
    """Told that more is done."""
    differences: int = 0
    rows: int = 0
    """Entries of the archive."""
    jobs: int = 0
    """Jobs whose views were compared."""
    total: int = 0
    """Rows that there were at first."""
    notes: list[str] = field(default_factory=list)
    """What is no difference, but should be known."""
    without_redis: str = ""
    """Why Redis was left out, if it was."""
    without_archive: str = ""
    """Why there is no archive to compare with, if there is none."""

    def name(self, differences: Iterable[Discrepancy]) -> None:
        """Pass on differences."""
        for one in differences:
            self.differences += 1
            self.found(one)

    def count(self, *, rows: int = 0, jobs: int = 0) -> None:
        """Count what is done."""
        self.rows += rows
        self.jobs += jobs
        self.progress(self)
