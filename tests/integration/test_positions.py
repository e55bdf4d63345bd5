"""A consumer group as a position that any Redis tool can see."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import pytest
import redis

from checkpoint.events.async_lines import AsyncLines
from checkpoint.events.cursor import Progress
from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.positions import Group


class Log:
    """A partition's log, and the group `readers` on it."""

    def __init__(self, url: str, namespace: str) -> None:
        self.url, self.place = url, (namespace, 0)
        self.key = f"{{{namespace}:0}}:log"
        self.client = redis.Redis.from_url(url)

    def add(self, count: int) -> list[EntryId]:
        return [EntryId.parse(self.client.xadd(self.key, {"a": "b"})) for _ in range(count)]

    def advance(self, start: EntryId, last: EntryId, entries: int) -> EntryId:
        return asyncio.run(self._advance(Progress(start, last, entries), "0-0"))

    def read(self, start: str = "0-0") -> EntryId:
        return asyncio.run(self._advance(None, start))

    async def _advance(self, made: Progress | None, start: str) -> EntryId:
        async with aclosing(AsyncLines(self.url, 5.0)) as redis:
            group = Group(redis, "readers", start)
            return await (group.advance(self.place, made) if made else group.read(self.place))

    @property
    def group(self) -> dict[str, Any]:
        (group,) = self.client.xinfo_groups(self.key)
        return group


@pytest.fixture
def log(redis_url: str, namespace: str) -> Iterator[Log]:
    log = Log(redis_url, namespace)
    with log.client:
        yield log


def test_a_new_group_begins_at_the_beginning(log: Log) -> None:
    assert log.read() == ZERO
    log.add(3)
    assert log.read() == ZERO
    assert log.group["lag"] == 3


def test_a_new_group_can_begin_at_the_end(log: Log) -> None:
    *_, last = log.add(3)
    assert log.read("$") == last
    assert log.group["lag"] == 0


def test_it_moves_forward_and_counts(log: Log) -> None:
    ids = log.add(10)
    assert log.advance(ZERO, ids[3], 4) == ids[3] == log.read()
    assert (log.group["entries-read"], log.group["lag"]) == (4, 6)
    assert log.advance(ids[3], ids[8], 5) == ids[8]
    assert (log.group["entries-read"], log.group["lag"]) == (9, 1)


def test_it_never_moves_back(log: Log) -> None:
    ids = log.add(10)
    log.advance(ZERO, ids[8], 9)
    assert log.advance(ZERO, ids[3], 4) == ids[8]
    assert (log.group["entries-read"], log.group["lag"]) == (9, 1)


def test_ids_are_compared_as_numbers(log: Log) -> None:
    for name in ("9-9", "9-10", "9-18446744073709551614", "9-18446744073709551615", "10-0"):
        log.client.xadd(log.key, {"a": "b"}, id=name)
        assert str(log.advance(ZERO, EntryId.parse(name), 1)) == name


def test_it_does_not_claim_a_count_that_it_cannot_know(log: Log) -> None:
    ids = log.add(10)
    log.advance(ZERO, ids[3], 4)
    log.advance(ids[1], ids[6], 5)
    assert log.group["last-delivered-id"].decode() == str(ids[6])
    assert log.group["lag"] is None
    log.advance(ids[6], ids[9], 3)
    assert log.group["lag"] == 0
    later = log.add(5)
    log.advance(ids[9], later[2], 3)
    assert (log.group["entries-read"], log.group["lag"]) == (13, 2)


def test_it_counts_what_was_trimmed_before_it_was_read(log: Log) -> None:
    ids = log.add(10)
    log.read()
    log.client.xtrim(log.key, minid=str(ids[4]), approximate=False)
    log.advance(ZERO, ids[6], 3)
    assert (log.group["entries-read"], log.group["lag"]) == (7, 3)
