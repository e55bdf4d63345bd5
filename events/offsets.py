"""Offsets: the numbers under which a consumer hands slices out, and the positions behind them."""

from collections.abc import Collection, Iterable
from typing import Generic, TypeVar

from .cursor import Cursor
from .entry_id import ZERO, EntryId
from .errors import CheckpointError
from .positions import Group, Positions
from .slices import Place, Slice

P = TypeVar("P", bound=Place)


class Offsets(Generic[P]):
    """A cursor for each partition that a consumer reads.

    Faust's offset is the number of a slice in the consumer's life, not an entry id: it enumerates
    the gaps between offsets, and ids have gaps of billions.
    """

    def __init__(self, group: Group) -> None:
        """Publish what is done as the position of `group`."""
        self._group = group
        self._cursors: dict[P, Cursor] = {}

    def __contains__(self, place: P) -> bool:
        """Say whether the partition is read."""
        return place in self._cursors

    def keep(self, assigned: Iterable[P]) -> None:
        """Read these partitions, going on with those that were read before."""
        self._cursors = {place: self._cursors.get(place) or Cursor() for place in assigned}

    def read_all(self, places: Iterable[P]) -> None:
        """Read these partitions from their beginnings."""
        self._cursors = {place: Cursor(ZERO) for place in places}

    async def positions(self, wanted: Collection[P], known: Positions | None) -> dict[P, EntryId]:
        """Say after which entries to read on, as `known` has it, or else the group.

        Raises what the positions raise.
        """
        source = self._group if known is None else known
        return {
            place: await _position(place, cursor, source)
            for place, cursor in self._cursors.items()
            if place in wanted
        }

    def continues(self, place: P, one: Slice) -> bool:
        """Say whether a slice begins where the last one that was handed out ended."""
        return place in self and self._cursors[place].position == one.after

    def take(self, place: P, one: Slice) -> int:
        """Hand a slice out; return its number."""
        return self._cursors[place].take(one)

    def finish(self, place: P, done: Iterable[int]) -> int | None:
        """Note which slices are done; return the first number that is not."""
        return self._cursors[place].finish(done) if place in self else None

    def reset(self, place: P) -> int:
        """Look the position up again before the next read; return the next number."""
        return self._cursors[place].reset()

    def reset_all(self) -> dict[P, int]:
        """Reset every partition."""
        return {place: self.reset(place) for place in self._cursors}

    def latest(self, place: P) -> int | None:
        """Return the number of the slice handed out last."""
        return self._cursors[place].number if place in self else None

    async def publish(self) -> None:
        """Publish what was done since the last time, of every partition for which that works.

        Raises what the last one that failed raised.
        """
        failed: CheckpointError | None = None
        for place, cursor in list(self._cursors.items()):
            if made := cursor.progress:
                try:
                    await self._group.advance(place, made)
                except CheckpointError as error:
                    failed = error
                else:
                    cursor.published(made)
        if failed:
            raise failed


async def _position(place: Place, cursor: Cursor, source: Positions) -> EntryId:
    if cursor.position is None:
        cursor.start(await source.read(place))
    return cursor.position or ZERO
