"""Slices: runs of consecutive entries of one partition, read from Redis as they come."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

from redis.asyncio import Redis

from .connection import translated
from .entry_id import EntryId
from .keys import PartitionKeys

RawEntry: TypeAlias = Sequence[Any]
"""An entry as the parser made it: its id, and the list of its field names and values, as bytes."""

Place: TypeAlias = tuple[str, int]
"""A partition of a topic: its name and number."""

P = TypeVar("P", bound=Place)


class Slice(NamedTuple):
    """Consecutive entries of one partition: all that the log has after `after`, up to `last`."""

    partition: int
    after: EntryId
    first: EntryId
    last: EntryId
    entries: Sequence[RawEntry]


async def read(
    client: Redis, positions: Mapping[P, EntryId], count: int, block_ms: int | None
) -> dict[P, list[RawEntry]]:
    """Read up to `count` entries after each position; partitions with nothing new are left out.

    Waits up to `block_ms` for the first entry, or not at all for None. The client must be one
    of `raw`. Raises LogUnavailable.
    """
    # One call for all partitions: it costs one wait however many there are. On a cluster they
    # live in different slots, and this is the place to ask for each of them.
    keys = {PartitionKeys(*place).log.encode(): place for place in positions}
    block = () if block_ms is None else ("BLOCK", block_ms)
    with translated():
        reply: Any = await client.execute_command(  # type: ignore[no-untyped-call]  # redis-py's
            "XREAD", "COUNT", count, *block, "STREAMS", *keys, *map(str, positions.values())
        )
    streams = reply.items() if isinstance(reply, dict) else reply or ()
    return {keys[key]: entries for key, entries in streams}


class Reader:
    """Reads what is new in any number of partitions, in one call; its wait can be cut short."""

    def __init__(self, client: Redis, at_once: int) -> None:
        """Read through `client`, up to `at_once` entries of each partition in a call."""
        self._client = raw(client)
        self._at_once = at_once
        self._waiting: asyncio.Timeout | None = None

    async def read(self, positions: Mapping[P, EntryId], seconds: float) -> dict[P, list[RawEntry]]:
        """Read what comes after each position, waiting up to `seconds` for the first entry.

        Returns early, with nothing, when woken. Raises LogUnavailable.
        """
        # Waking closes the connection of a call that waits; one that does not is left alone.
        if positions and (found := await read(self._client, positions, self._at_once, None)):
            return found
        try:
            async with asyncio.timeout(None) as self._waiting:
                if positions:
                    return await read(self._client, positions, self._at_once, round(seconds * 1000))
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


def raw(client: Redis) -> Redis:
    """Make a client leave what XREAD returns as the parser made it, and return the client."""
    client.set_response_callback("XREAD", _as_it_is)
    return client


def _as_it_is(response: Any, **_: Any) -> Any:
    return response


def cut(partition: int, after: EntryId, entries: Sequence[RawEntry], size: int) -> Iterator[Slice]:
    """Cut entries that follow the position `after` into slices of up to `size`."""
    for start in range(0, len(entries), size):
        part = entries[start : start + size]
        one = Slice(partition, after, EntryId.parse(part[0][0]), EntryId.parse(part[-1][0]), part)
        yield one
        after = one.last
