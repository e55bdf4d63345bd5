"""Cursors: how far a consumer is with one partition."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from .entry_id import EntryId
from .slices import Slice


class Handed(NamedTuple):
    """A slice that was handed out, but for its entries."""

    number: int
    last: EntryId
    entries: int


class Progress(NamedTuple):
    """A step forward: from one position to another, and how many entries lie between."""

    start: EntryId
    last: EntryId
    entries: int


@dataclass(slots=True)
class Cursor:
    """What was handed out of one partition, and what of that is done.

    Slices are handed out under numbers, 1, 2, 3 …, that go on through every new start. They
    may be done in any order; progress is made up to the first that is not.
    """

    position: EntryId | None = None
    """All up to here was handed out. None: where to start has to be looked up."""
    number: int = 0
    """Of the slice handed out last."""
    _handed: deque[Handed] = field(default_factory=deque)
    _done: set[int] = field(default_factory=set)
    _progress: Progress | None = None

    def reset(self) -> int:
        """Forget the place; what was handed out will be again. Return the next number."""
        self.position = self._progress = None
        self._handed.clear()
        self._done.clear()
        return self.number + 1

    def start(self, position: EntryId) -> None:
        """Go on after `position`."""
        self.position = position
        self._progress = Progress(position, position, 0)

    def take(self, one: Slice) -> int:
        """Hand a slice out; return its number."""
        self.number += 1
        self.position = one.last
        self._handed.append(Handed(self.number, one.last, len(one.entries)))
        return self.number

    def finish(self, numbers: Iterable[int]) -> int:
        """Note which slices are done; return the first number that is not."""
        self._done.update(numbers)
        while self._handed and self._handed[0].number in self._done:
            one = self._handed.popleft()
            self._done.remove(one.number)
            self._advance(one)
        return self._handed[0].number if self._handed else self.number + 1

    @property
    def progress(self) -> Progress | None:
        """What was done since it was last published, or None for nothing."""
        made = self._progress
        return made if made and made.entries else None

    def published(self, made: Progress) -> None:
        """Note that progress up to `made.last` is known to all; later progress counts from it."""
        now = self._progress
        if now and now.start == made.start:
            self._progress = Progress(made.last, now.last, now.entries - made.entries)

    def _advance(self, one: Handed) -> None:
        if self._progress:
            start, _, entries = self._progress
            self._progress = Progress(start, one.last, entries + one.entries)
