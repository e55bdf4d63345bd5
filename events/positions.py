"""Positions: the last entry id of each partition that a group of workers is done with."""

from typing import Protocol

from .async_lines import AsyncLines
from .cursor import Progress
from .entry_id import ZERO, EntryId
from .keys import PartitionKeys
from .script import Call, Script
from .slices import Place

ADVANCE = Script.load("checkpoint.events", "advance")


class Positions(Protocol):
    """Where workers look up how far a partition was read before."""

    async def read(self, place: Place) -> EntryId:
        """Return the position in a partition: reading goes on after it.

        LogUnavailable, LogNotReady or ArchiveUnavailable mean: ask again later.
        """


class Group:
    """A consumer group of Redis, used for nothing but its last-delivered id.

    It is the position of an app that stores none itself; for one that does, it repeats that
    position where any Redis tool can see it.
    """

    def __init__(self, redis: AsyncLines, name: str, start: str = "0-0") -> None:
        """Use the group `name`; where it has to be created it begins at `start`, an id or $."""
        self._redis = redis
        self.name = name
        self._start = start

    async def read(self, place: Place) -> EntryId:
        """Return the group's last-delivered id. Raises LogUnavailable."""
        return await self.advance(place, Progress(ZERO, ZERO, 0))

    async def advance(self, place: Place, made: Progress) -> EntryId:
        """Move the group forward, never back; return where it stands. Raises LogUnavailable."""
        partition = PartitionKeys(*place)
        call = Call(
            ADVANCE,
            [partition.log, partition.meta],
            [self.name, self._start, str(made.start), str(made.last), made.entries],
        )
        return EntryId.parse(await self._redis.run_loaded(call))
