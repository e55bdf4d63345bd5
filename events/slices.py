"""Slices: runs of consecutive entries of one partition, read from Redis as they come."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from time import monotonic
from typing import Any, NamedTuple, TypeAlias, TypeVar

from .async_lines import AsyncLines
from .entry_id import EntryId
from .errors import CheckpointError
from .keys import PartitionKeys
from .script import Argument

log = logging.getLogger(__name__)

RawEntry: TypeAlias = Sequence[Any]
"""An entry as the parser made it: its id, and the list of its field names and values, as bytes."""

Place: TypeAlias = tuple[str, int]
"""A partition of a topic: its name and number."""

P = TypeVar("P", bound=Place)

BYTES_AT_ONCE = 32 * 1024 * 1024
"""About as much is read in one call, if that is fewer entries than asked for: XREAD counts entries,
and a thousand of them may be anything from 100 kB to 1 GB."""
LOOK_SECONDS = 1.0
"""How often a log that holds something else is looked at again."""

ONE_IN = 16
"""The part of what was read that is looked at to learn how large the entries are."""


class Slice(NamedTuple):
    """Consecutive entries of one partition: all that the log has after `after`, up to `last`."""

    partition: int
    after: EntryId
    first: EntryId
    last: EntryId
    entries: Sequence[RawEntry]


class Reader:
    """Reads what is new in any number of partitions, in one call; its wait can be cut short."""

    def __init__(self, redis: AsyncLines, at_once: int) -> None:
        """Read over `redis`, up to `at_once` entries of each partition in a call.

        Fewer of them where they are large: about 32 MiB are read in one call.
        """
        self._redis = redis
        self._at_once = at_once
        self._sizes: list[int] = []
        """In bytes, of some of the entries that were read last."""
        self._left_some = False
        """Whether the last call may have left entries that were there."""
        self._waiting: asyncio.Timeout | None = None
        self._aside: dict[bytes, float] = {}
        """Logs that hold something else, and when they were looked at: the others are read on."""

    async def read(self, positions: Mapping[P, EntryId], seconds: float) -> dict[P, list[RawEntry]]:
        """Read what comes after each position, waiting up to `seconds` for the first entry.

        Partitions with nothing new are left out. Returns early, with nothing, when woken. Raises
        LogUnavailable.
        """
        positions = await self._readable(positions)
        if positions and not self._sizes:  # before so many are read, one is looked at
            await self._ask(self._redis.execute, positions)
        # Waking closes the connection of a call that waits, so what may find much does not wait.
        may_find_much = positions and self._left_some
        if may_find_much and (found := await self._ask(self._redis.execute, positions)):
            return found
        try:
            async with asyncio.timeout(None) as self._waiting:
                if positions:
                    block = ("BLOCK", round(seconds * 1000))
                    return await self._ask(self._redis.block, positions, *block)
                await asyncio.sleep(seconds)
        except TimeoutError:
            pass  # woken
        finally:
            self._waiting = None
        return {}

    def wake(self) -> None:
        """Cut a wait short: there is something else to wait for."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.reschedule(asyncio.get_running_loop().time())

    async def _ask(
        self,
        ask: Callable[..., Awaitable[Any]],
        positions: Mapping[P, EntryId],
        *block: Argument,
    ) -> dict[P, list[RawEntry]]:
        # One call for all partitions: it costs one wait however many there are. On a cluster they
        # live in different slots, and this is the place to ask for each of them.
        keys = {_log(place): place for place in positions}
        after = map(str, positions.values())
        count = self._count(len(positions))
        try:
            reply = await ask("XREAD", "COUNT", count, *block, "STREAMS", *keys, *after)
        except CheckpointError:
            self._sizes = []  # perhaps they have grown, and it was too much
            for key in keys:
                await self._look_at(key)
            if not self._aside.keys() & keys.keys():
                raise
            rest = {
                place: one for place, one in positions.items() if _log(place) not in self._aside
            }
            return await self._ask(ask, rest, *block) if rest else {}
        found = {keys[key]: entries for key, entries in reply or ()}
        self._left_some = any(len(entries) >= count for entries in found.values())
        if found:
            looked_at = (entries[::ONE_IN] for entries in found.values())
            self._sizes = [sum(map(len, fields)) for some in looked_at for _, fields in some]
        return found

    async def _readable(self, positions: Mapping[P, EntryId]) -> Mapping[P, EntryId]:
        """Leave out the logs that hold something else, until they do no more."""
        for key, since in list(self._aside.items()):
            if monotonic() - since > LOOK_SECONDS:
                await self._look_at(key)
        if not self._aside:
            return positions
        return {place: one for place, one in positions.items() if _log(place) not in self._aside}

    async def _look_at(self, key: bytes) -> None:
        kind = await self._redis.execute("TYPE", key)
        if kind in (b"stream", b"none"):
            self._aside.pop(key, None)
            return
        if key not in self._aside:
            log.warning(
                "%s is a %s, and should be a stream; the other partitions are read on. `checkpoint "
                "restore` mends it from the archive",
                key.decode(),
                kind.decode(),
            )
        self._aside[key] = monotonic()

    def _count(self, partitions: int) -> int:
        """Say how many entries of each partition to ask for, if they are as large as the last."""
        if not self._sizes:
            return 1
        fit = BYTES_AT_ONCE * len(self._sizes) // (max(1, sum(self._sizes)) * partitions)
        return max(1, min(self._at_once, fit))


@lru_cache(maxsize=1024)
def _log(place: Place) -> bytes:
    return PartitionKeys(*place).log.encode()


def cut(partition: int, after: EntryId, entries: Sequence[RawEntry], size: int) -> Iterator[Slice]:
    """Cut entries that follow the position `after` into slices of up to `size`."""
    for start in range(0, len(entries), size):
        part = entries[start : start + size]
        one = Slice(partition, after, EntryId.parse(part[0][0]), EntryId.parse(part[-1][0]), part)
        yield one
        after = one.last
