"""Slices: runs of consecutive entries of one partition, read from Redis as they come."""

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
