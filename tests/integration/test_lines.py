"""What asyncio code's connections do on a real Redis: shared, cancelled, kept waiting, lost."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, closing
from pathlib import Path
from time import monotonic, sleep

import pytest
import redis
from losing_proxy import losing_proxy

from checkpoint.embedded import Valkey
from checkpoint.events.async_lines import AsyncLines
from checkpoint.events.errors import LogRefused, LogUnavailable, ScriptUnknown
from checkpoint.events.lines import Lines
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


def test_work_between_a_question_and_its_sending_is_not_the_servers_delay(redis_url: str) -> None:
    async def compute() -> None:
        sleep(0.6)  # noqa: ASYNC251 - what this is about

    async def work() -> None:
        async with lines_to(redis_url, 0.4) as lines:
            await lines.execute("PING")
            await asyncio.sleep(0.1)
            reply, _ = await asyncio.gather(lines.execute("ECHO", "a"), compute())
            assert reply == b"a"

    asyncio.run(work())


def test_a_reply_that_is_arriving_is_not_given_up(redis_url: str, namespace: str) -> None:
    size = 3_000_000  # more than is read in one turn

    async def work() -> None:
        async with lines_to(redis_url, 0.4) as lines:
            await lines.execute("SET", f"{namespace}:large", b"x" * size)
            asked = asyncio.create_task(lines.execute("GET", f"{namespace}:large"))
            for _ in range(2):
                await asyncio.sleep(0)  # it is sent
            sleep(0.6)  # noqa: ASYNC251 - what this is about
            assert len(await asked) == size
            await lines.execute("DEL", f"{namespace}:large")

    asyncio.run(work())


def test_who_waits_for_a_connection_that_is_closed_is_not_cancelled(redis_url: str) -> None:
    async def work() -> None:
        async with lines_to(redis_url) as lines:
            asking = asyncio.create_task(lines.execute("PING"))
            await asyncio.sleep(0)
            await lines.aclose()
            with pytest.raises(LogUnavailable):
                await asking

    asyncio.run(work())


async def all_closed(redis_url: str, name: str) -> bool:
    """Say if the server sees the end of all connections of this name within some seconds."""
    with redis.Redis.from_url(redis_url) as client:
        for _ in range(50):
            if all(one["name"] != name for one in client.client_list()):
                return True
            await asyncio.sleep(0.1)
    return False


def test_closing_while_somebody_connects_leaves_nothing_open(
    redis_url: str, namespace: str
) -> None:
    async def work() -> None:
        kept = []
        for turns in range(1, 30):
            lines = AsyncLines(f"{redis_url}?client_name={namespace}", 1.0)
            kept.append(lines)
            asking = asyncio.create_task(lines.execute("PING"))
            for _ in range(turns):
                await asyncio.sleep(0)
            await lines.aclose()
            await asyncio.gather(asking, return_exceptions=True)
        assert await all_closed(redis_url, namespace)

    asyncio.run(work())


def test_lines_that_are_dropped_close_their_connections(redis_url: str, namespace: str) -> None:
    async def work() -> None:
        lines = AsyncLines(f"{redis_url}?client_name={namespace}", 1.0)
        await lines.execute("PING")
        await lines.block("XREAD", "BLOCK", 1, "STREAMS", "nobody-writes-here", "0-0")
        del lines
        gc.collect()
        assert await all_closed(redis_url, namespace)

    asyncio.run(work())


# the connection ends with its event loop, and nobody could close it
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_second_event_loop_has_a_connection_of_its_own(redis_url: str) -> None:
    lines = AsyncLines(redis_url, 1.0)
    for one in (b"first", b"second", b"third"):
        assert asyncio.run(lines.execute("ECHO", one)) == one
    asyncio.run(lines.aclose())
    del lines
    gc.collect()


def test_a_pinned_connection_has_no_other_to_keep_waiting(redis_url: str) -> None:
    async def work() -> None:
        async with lines_to(redis_url) as lines, aclosing(await lines.pinned()) as pinned:
            with pytest.raises(LogUnavailable):
                await pinned.block("XREAD", "BLOCK", 1, "STREAMS", "nobody-writes-here", "0-0")

    asyncio.run(work())


class Forgotten(list[Call]):
    """Calls before the second of which Redis forgets its scripts, as often as said."""

    def __init__(self, calls: list[Call], lines: Lines, times: int) -> None:
        super().__init__(calls)
        self._lines, self._times = lines, times

    def __iter__(self) -> Iterator[Call]:
        for number in range(len(self)):
            if number == 1 and self._times:
                self._times -= 1
                self._lines.execute("SCRIPT", "FLUSH")
            yield self[number]


class ForgottenAtOnce(AsyncLines):
    """Lines to a Redis that forgets each script as soon as it is loaded, as often as said."""

    times = 3

    async def load(self, script: Script) -> None:
        await super().load(script)
        if self.times:
            self.times -= 1
            await self.execute("SCRIPT", "FLUSH")


NUMBER = Script.of("number", "return tonumber(ARGV[1])")


@pytest.fixture
def own_redis_url(tmp_path: Path) -> Iterator[str]:
    """Yield the URL of a Redis that nobody else loads scripts into."""
    with Valkey(tmp_path / "valkey") as valkey:
        yield valkey.url


def test_scripts_that_are_forgotten_again_and_again_are_loaded_again(own_redis_url: str) -> None:
    with closing(Lines(own_redis_url, 5.0)) as lines, closing(Lines(own_redis_url, 5.0)) as other:
        calls = [Call(NUMBER, [], [number]) for number in (1, 2)]
        assert lines.run_all_loaded(Forgotten(calls, other, 3)) == [1, 2]


def test_so_are_those_that_asyncio_code_calls(own_redis_url: str) -> None:
    async def work() -> None:
        async with aclosing(ForgottenAtOnce(own_redis_url, 5.0)) as lines:
            assert await lines.run_loaded(Call(NUMBER, [], [7])) == 7
            assert not lines.times
            await lines.execute("SCRIPT", "FLUSH")
            assert await lines.run_loaded(Call(NUMBER, [], [8])) == 8

    asyncio.run(work())


def test_of_several_commands_each_has_its_own_reply_or_error(
    redis_url: str, namespace: str
) -> None:
    async def work() -> None:
        async with lines_to(redis_url) as lines:
            await lines.execute("SET", f"{{{namespace}}}", 1)
            commands = [("ECHO", b"a"), ("LPUSH", f"{{{namespace}}}", 1), ("ECHO", b"b")]
            before, refused, after = await lines.execute_all(commands)
            assert (before, after) == (b"a", b"b")
            assert isinstance(refused, LogRefused)
            assert "WRONGTYPE" in str(refused)

    asyncio.run(work())


def test_a_wire_that_is_lost_fails_all_of_several_commands(redis_url: str) -> None:
    async def work() -> None:
        async with lines_to(redis_url) as lines:
            with pytest.raises(LogUnavailable):
                await lines.execute_all([("ECHO", b"a"), ("QUIT",), ("ECHO", b"b")])

    asyncio.run(work())
