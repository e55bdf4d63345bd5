"""What one read of a log takes: what is asked for, and not more than fits."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
import redis
from losing_proxy import losing_proxy

from checkpoint.events import slices
from checkpoint.events.async_lines import AsyncLines
from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.errors import LogUnavailable
from checkpoint.events.keys import PartitionKeys
from checkpoint.events.script import Argument


def lengths_read(redis_url: str, namespace: str, at_once: int, sizes: list[int]) -> list[int]:
    """Append entries of these sizes; return how many of them each read finds."""
    place = (namespace, 0)
    with redis.Redis.from_url(redis_url) as client:
        for size in sizes:
            client.xadd(PartitionKeys(*place).log, {"event": b"x" * size})

    async def work() -> list[int]:
        async with aclosing(AsyncLines(redis_url, 5.0)) as lines:
            reader, after, found = slices.Reader(lines, at_once), ZERO, []
            while entries := (await reader.read({place: after}, 0.01)).get(place):
                found.append(len(entries))
                after = EntryId.parse(entries[-1][0])
            return found

    return asyncio.run(work())


def test_small_entries_are_read_as_many_at_once_as_asked_for(
    redis_url: str, namespace: str
) -> None:
    found = lengths_read(redis_url, namespace, 100, [10] * 200)
    assert found == [100, 100]


def test_large_entries_are_read_a_few_at_a_time(
    redis_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "BYTES_AT_ONCE", 10_000)
    assert lengths_read(redis_url, namespace, 100, [1000] * 30) == [9, 9, 9, 3]


def test_an_entry_larger_than_all_that_is_read_at_once_is_read_alone(
    redis_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "BYTES_AT_ONCE", 10)
    found = lengths_read(redis_url, namespace, 100, [1000] * 3)
    assert found == [1, 1, 1]


def test_small_entries_after_large_ones_are_read_many_at_once_again(
    redis_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "BYTES_AT_ONCE", 20_000)
    found = lengths_read(redis_url, namespace, 100, [10_000] * 3 + [10] * 200)
    assert found[0] == 1
    assert max(found) == 100


def test_after_a_read_of_all_there_was_the_next_one_waits_at_once(
    redis_url: str, namespace: str
) -> None:
    place = (namespace, 0)
    asked: list[str] = []

    class Counting(AsyncLines):
        async def execute(self, *words: Argument) -> Any:
            asked.append("execute")
            return await super().execute(*words)

        async def block(self, *words: Argument) -> Any:
            asked.append("block")
            return await super().block(*words)

    async def work(client: redis.Redis) -> None:
        async with aclosing(Counting(redis_url, 5.0)) as lines:
            reader, after = slices.Reader(lines, 2), ZERO
            for expected in (["execute", "execute"], ["execute"], ["block"]):
                asked.clear()
                found = (await reader.read({place: after}, 5.0))[place]
                after = EntryId.parse(found[-1][0])
                assert asked == expected
                if expected == ["execute"]:
                    client.xadd(PartitionKeys(*place).log, {"event": b"the next"})

    with redis.Redis.from_url(redis_url) as client:
        for _ in range(3):
            client.xadd(PartitionKeys(*place).log, {"event": b"there"})
        asyncio.run(work(client))


def test_after_a_read_that_failed_the_sizes_are_learnt_anew(
    redis_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "BYTES_AT_ONCE", 10_000)
    place = (namespace, 0)
    log = PartitionKeys(*place).log

    async def work() -> None:
        with losing_proxy(redis_url) as proxy, redis.Redis.from_url(redis_url) as client:
            async with aclosing(AsyncLines(proxy.url, 5.0)) as lines:
                reader = slices.Reader(lines, 100)
                client.xadd(log, {"event": b"small"})
                (small,) = (await reader.read({place: ZERO}, 0.01))[place]
                for _ in range(30):
                    client.xadd(log, {"event": b"x" * 1000})
                after = {place: EntryId.parse(small[0])}
                proxy.cut()
                with pytest.raises(LogUnavailable):
                    await reader.read(after, 0.01)
                proxy.mend()
                assert len((await reader.read(after, 0.01))[place]) < 10

    asyncio.run(work())
