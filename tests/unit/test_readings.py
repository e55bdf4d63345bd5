"""The latest answer: asked at most once a second, one at a time, and never waited for long."""

import asyncio

import pytest

from checkpoint import LogUnavailable, readings
from checkpoint.events.entry_id import ZERO
from checkpoint.query.lag import Lag
from checkpoint.readings import Latest, Reading


class Server:
    """Answers with how often it was asked, once it may."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.is_away = False

    async def answer(self) -> int:
        self.asked += 1
        number = self.asked
        await self.may_answer.wait()
        if self.is_away:
            raise LogUnavailable
        return number


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "PATIENCE_SECONDS", 0.01)


def test_many_who_look_share_an_answer() -> None:
    async def look() -> tuple[list[int | None], int | None]:
        server = Server()
        latest = Latest(server.answer)
        server.may_answer.set()
        return list(await asyncio.gather(*[latest.get() for _ in range(5)])), await latest.get()

    assert asyncio.run(look()) == ([1] * 5, 1)


def test_an_old_answer_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "FRESH_SECONDS", 0.0)

    async def look() -> list[int | None]:
        server = Server()
        latest = Latest(server.answer)
        server.may_answer.set()
        return [await latest.get() for _ in range(3)]

    assert asyncio.run(look()) == [1, 2, 3]


@pytest.mark.usefixtures("patience")
def test_a_server_that_hangs_is_asked_once_and_its_answer_used_at_last() -> None:
    async def look() -> tuple[list[int | None], int | None]:
        server = Server()
        latest = Latest(server.answer)
        hanging = [await latest.get() for _ in range(3)]
        server.may_answer.set()
        return hanging, await latest.get()

    assert asyncio.run(look()) == ([None] * 3, 1)


def test_a_server_that_is_away_has_no_answer() -> None:
    async def look() -> int | None:
        server = Server()
        server.is_away = True
        server.may_answer.set()
        return await Latest(server.answer).get()

    assert asyncio.run(look()) is None


def test_the_oldest_unarchived_entry_is_the_snapshotters_alone() -> None:
    lags = [
        Lag("projector", 0, 1, 99.0, ZERO, ZERO),
        Lag("snapshotter", 0, 1, 2.0, ZERO, ZERO),
        Lag("snapshotter", 1, 1, 7.0, ZERO, ZERO),
    ]
    assert Reading(lags, {}, 0, 0).oldest_unarchived == 7.0
    assert Reading([], {}, 0, 0).oldest_unarchived == 0.0
