"""Work: what a worker wrote, for whoever wants to hear of it."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from .entry import Entry


class Work(NamedTuple):
    """One write to the view or the archive: of a slice, or of several in one transaction."""

    slices: Sequence[Sequence[Entry]]
    dead: int
    """Entries that are no events."""
    began_ns: int
    """When the write began, in nanoseconds since 1970 by this machine's clock."""
    seconds: float
    """How long it took."""

    @property
    def events(self) -> int:
        """How many events were written; of those, another worker may have written some before."""
        return sum(map(len, self.slices))


Observe: TypeAlias = Callable[[Work], None]


def unobserved(work: Work) -> None:
    """Do nothing."""


def told(observers: Sequence[Observe]) -> Observe:
    """Make one observer of any number."""
    if not observers:
        return unobserved

    def tell(work: Work) -> None:
        for observe in observers:
            observe(work)

    return tell


class Stopwatch:
    """Measures one piece of work, from when it is made."""

    __slots__ = ("_began", "_began_ns")

    def __init__(self) -> None:
        """Begin now."""
        self._began_ns, self._began = time.time_ns(), time.perf_counter()

    def stop(self, slices: Sequence[Sequence[Entry]], dead: int) -> Work:
        """Say what was written since."""
        return Work(slices, dead, self._began_ns, time.perf_counter() - self._began)
