"""What asyncio code's connections do on a real Redis: shared, cancelled, kept waiting, lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from time import monotonic

import pytest
from losing_proxy import losing_proxy

from checkpoint.events.errors import LogUnavailable, ScriptUnknown
from checkpoint.events.lines import AsyncLines
from checkpoint.events.script import Call, Script


@asynccontextmanager
async def lines_to(url: str, seconds: float = 1.0) -> AsyncIterator[AsyncLines]:
    async with aclosing(AsyncLines(url, seconds)) as lines:
        yield lines


async def name_of(lines: AsyncLines) -> int:
    """Return the server's id of the connection that all share."""
    return int(await lines.execute("CLIENT", "ID"))


def test_many_ask_over_one_connection_and_each_gets_its_own_reply(redis_url: str) -> None:
    async def work() -> None:
        async with lines_to(redis_url) as lines:
            numbers = [str(number).encode() for number in range(200)]
            assert await asyncio.gather(*[lines.execute("ECHO", one) for one in numbers]) == numbers
            assert len({await name_of(lines) for _ in range(5)}) == 1

    asyncio.run(work())


def test_an_error_is_told_to_who_asked_and_to_nobody_else(redis_url: str) -> None:
    unknown = Call(Script.of("unknown", "return 'never loaded by anybody'"), [], [])

    async def work() -> None:
        async with lines_to(redis_url) as lines:
            before, refused, after = await asyncio.gather(
                lines.execute("ECHO", "a"),
                lines.run(unknown),
                lines.execute("ECHO", "b"),
                return_exceptions=True,
            )
            assert (before, after) == (b"a", b"b")
            assert isinstance(refused, ScriptUnknown)

    asyncio.run(work())


def test_the_reply_to_a_cancelled_call_is_passed_over(redis_url: str) -> None:
    async def work() -> None:
        async with lines_to(redis_url) as lines:
            name = await name_of(lines)
            calls = [asyncio.create_task(lines.execute("ECHO", str(one))) for one in range(9)]
            await asyncio.sleep(0)
            calls[4].cancel()
            replies = await asyncio.gather(*calls, return_exceptions=True)
            assert isinstance(replies.pop(4), asyncio.CancelledError)
            assert replies == [str(one).encode() for one in range(9) if one != 4]
            assert await name_of(lines) == name

    asyncio.run(work())


def test_who_began_to_connect_may_be_cancelled_while_others_wait_for_it(redis_url: str) -> None:
    async def work() -> None:
        async with lines_to(redis_url) as lines:
            first, second = (asyncio.create_task(lines.execute("ECHO", one)) for one in "ab")
            await asyncio.sleep(0)
            first.cancel()
            assert await second == b"b"
            assert first.cancelled()

    asyncio.run(work())


def test_what_keeps_a_connection_waiting_keeps_nobody_else(redis_url: str) -> None:
    async def work() -> None:
        async with lines_to(redis_url) as lines:
            waiting = asyncio.create_task(
                lines.block("XREAD", "BLOCK", 800, "STREAMS", "nobody-writes-here", "0-0")
            )
            await asyncio.sleep(0.1)
            assert await lines.execute("ECHO", "meanwhile") == b"meanwhile"
            assert not waiting.done()
            assert await waiting is None

    asyncio.run(work())


def test_all_that_was_asked_fails_with_the_connection_and_the_next_call_has_another(
    redis_url: str,
) -> None:
    async def work() -> None:
        with losing_proxy(redis_url) as proxy:
            async with lines_to(proxy.url) as lines:
                name = await name_of(lines)
                calls = [asyncio.create_task(lines.execute("ECHO", "lost")) for _ in range(20)]
                await asyncio.sleep(0)
                proxy.cut()
                outcomes = await asyncio.gather(*calls, return_exceptions=True)
                assert isinstance(outcomes[-1], LogUnavailable)
                with pytest.raises(LogUnavailable):
                    await lines.execute("ECHO", "still cut")
                proxy.mend()
                assert await name_of(lines) != name

    asyncio.run(work())


def test_a_server_that_does_not_answer_is_given_up_in_time(redis_url: str) -> None:
    async def work() -> None:
        async with lines_to(redis_url, 0.5) as lines:
            name = await name_of(lines)
            begun = monotonic()
            sleeping = asyncio.create_task(
                lines.execute("XREAD", "BLOCK", 5000, "STREAMS", "nobody-writes-here", "0-0")
            )
            await asyncio.sleep(0.3)
            behind = asyncio.create_task(lines.execute("ECHO", "behind it"))
            for one in (sleeping, behind):
                with pytest.raises(LogUnavailable, match="did not answer"):
                    await one
            assert 0.5 <= monotonic() - begun < 3
            assert await name_of(lines) != name

    asyncio.run(work())


def test_a_pinned_connection_is_its_own_and_is_never_made_anew(redis_url: str) -> None:
    async def work() -> None:
        async with lines_to(redis_url) as lines:
            async with aclosing(await lines.pinned()) as pinned:
                name = await name_of(pinned)
                assert name != await name_of(lines)
                await lines.execute("CLIENT", "KILL", "ID", name)
                for _ in range(2):
                    with pytest.raises(LogUnavailable):
                        await pinned.execute("PING")
            assert await lines.execute("ECHO", "alive") == b"alive"

    asyncio.run(work())


def test_lines_that_were_closed_connect_anew(redis_url: str) -> None:
    async def work() -> None:
        async with lines_to(redis_url) as lines:
            name = await name_of(lines)
            await lines.aclose()
            assert await name_of(lines) != name

    asyncio.run(work())
