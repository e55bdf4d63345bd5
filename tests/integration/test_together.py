"""Computations carried out side by side, as blocking and as asyncio code do it."""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Any, TypeAlias

import pytest

from checkpoint.events.errors import JobClaimed, LogUnavailable, ScriptUnknown
from checkpoint.events.script import Call, Script
from checkpoint.events.settings import Settings
from checkpoint.events.steps import LoadScript, Pause, Steps, together
from checkpoint.servers import AsyncServers, Servers

NUMBER = Script.of("number", "return tonumber(ARGV[1])")
PARTS = 20

Run: TypeAlias = Callable[[Steps[Any]], Any]


@pytest.fixture(params=["blocking", "asyncio"])
def run(request: pytest.FixtureRequest, redis_url: str) -> Run:
    """Return what carries out steps."""
    settings = Settings(redis_url=redis_url)

    def blocking(steps: Steps[Any]) -> Any:
        servers = Servers(settings)
        try:
            return servers.run(steps)
        finally:
            servers.close()

    async def with_asyncio(steps: Steps[Any]) -> Any:
        servers = AsyncServers(settings)
        try:
            return await servers.run(steps)
        finally:
            await servers.close()

    if request.param == "blocking":
        return blocking
    return lambda steps: asyncio.run(with_asyncio(steps))


def number(value: int) -> Call:
    return Call(NUMBER, [], [value])


def test_what_all_wait_for_is_waited_for_once(run: Run) -> None:
    def part(value: int) -> Steps[int]:
        with pytest.raises(ScriptUnknown):
            yield Call(Script.of("unknown", f"return 'by nobody, not even {value}'"), [], [])
        yield LoadScript(NUMBER)
        first = yield number(value)
        yield Pause(0.1)
        second = yield number(value + first)
        return int(second)

    begun = monotonic()
    assert run(together([part(value) for value in range(PARTS)])) == list(range(0, 2 * PARTS, 2))
    assert monotonic() - begun < PARTS * 0.1


def test_the_others_are_done_although_one_fails(run: Run) -> None:
    done = []

    def part(value: int) -> Steps[None]:
        yield number(value)
        if value == 1:
            raise JobClaimed("the first")
        yield number(value)
        if value == 2:
            raise LogUnavailable("a later one")
        done.append(value)

    run(loaded())
    with pytest.raises(JobClaimed, match="the first"):
        run(together([part(value) for value in range(4)]))
    assert done == [0, 3]


def test_what_parts_hold_is_let_go_however_it_ends(run: Run) -> None:
    held = []

    def part(value: int) -> Steps[None]:
        held.append(value)
        try:
            yield number(value)
            if value == 1:
                raise ZeroDivisionError
            yield number(value)
        finally:
            held.remove(value)

    run(loaded())
    with pytest.raises(ZeroDivisionError):
        run(together([part(value) for value in range(4)]))
    assert not held


def loaded() -> Steps[None]:
    yield LoadScript(NUMBER)
