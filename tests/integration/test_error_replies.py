"""Error replies that a real server gives, and what they are to a caller of either kind."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import aclosing, closing, contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import redis
from failover import Node, node

from checkpoint import (
    AsyncCheckpointManager,
    CheckpointError,
    CheckpointManager,
    InvalidSettings,
    LogRefused,
    LogUnavailable,
    Settings,
)
from checkpoint.embedded import Valkey
from checkpoint.events import watermark
from checkpoint.events.async_lines import AsyncLines
from checkpoint.events.entry_id import ZERO
from checkpoint.events.keys import PartitionKeys
from checkpoint.events.lines import Lines
from checkpoint.events.replies import needs_another_connection
from checkpoint.events.script import Call, Script
from checkpoint.spool import Spool

WRITE = Script.of("write", "return redis.call('SET', KEYS[1], '1')")


@pytest.fixture(name="server")
def _server(tmp_path: Path) -> Iterator[Node]:
    with node(tmp_path / "redis", databases="2") as made:
        yield made


def refused(url: str, *words: Any) -> CheckpointError:
    """Return what a command is refused with: the same in blocking and in asyncio code."""

    async def ask() -> CheckpointError:
        async with aclosing(AsyncLines(url, 2.0)) as lines:
            with pytest.raises(CheckpointError) as error:
                await lines.execute(*words)
            return error.value

    with closing(Lines(url, 2.0)) as lines, pytest.raises(CheckpointError) as error:
        lines.execute(*words)
    other = asyncio.run(ask())
    assert (type(other), str(other)) == (type(error.value), str(error.value))
    assert needs_another_connection(other) == needs_another_connection(error.value)
    return error.value


def with_user(server: Node, *rights: str) -> str:
    """Return the URL of a user with some rights."""
    server.command("ACL", "SETUSER", "few", "reset", "on", ">pw", *rights)
    return server.server.url.replace("unix://", "unix://few:pw@")


def test_a_replica(server: Node) -> None:
    server.command("REPLICAOF", "127.0.0.1", 1)
    for words in (("SET", "a", 1), ("EVAL", "return redis.call('SET', 'a', 1)", 0)):
        error = refused(server.server.url, *words)
        assert str(error) == "This Redis is a replica: connect to its primary"
        assert needs_another_connection(error)
    server.command("CONFIG", "SET", "replica-serve-stale-data", "no")
    error = refused(server.server.url, "GET", "a")
    assert "lost its primary" in str(error)
    assert needs_another_connection(error)


def test_a_watermark_is_not_published_to_a_replica(server: Node, namespace: str) -> None:
    keys = PartitionKeys(namespace, 0)
    with closing(Lines(server.server.url, 2.0)) as lines:
        lines.execute("HSET", keys.meta, "id", "1")
        publish = watermark.publish(keys, watermark.EntryId(5, 0), ZERO)
        assert [lines.run_loaded(publish) for _ in range(2)] == [1, 0]
        server.command("REPLICAOF", "127.0.0.1", 1)
        for entry in (watermark.EntryId(5, 0), watermark.EntryId(6, 0)):
            with pytest.raises(LogUnavailable, match="replica"):
                lines.run_loaded(watermark.publish(keys, entry, ZERO))


def test_a_wait_in_a_primary_that_becomes_a_replica(server: Node) -> None:
    async def work() -> None:
        async with aclosing(AsyncLines(server.server.url, 5.0)) as lines:
            await lines.execute("PING")
            waiting = asyncio.create_task(
                lines.block("XREAD", "BLOCK", 4000, "STREAMS", "nobody-writes-here", "0-0")
            )
            await asyncio.sleep(0.2)
            server.command("REPLICAOF", "127.0.0.1", 1)
            with pytest.raises(LogUnavailable, match="became a replica") as error:
                await waiting
            assert needs_another_connection(error.value)

    asyncio.run(work())


def test_a_server_that_still_loads(tmp_path: Path) -> None:
    with Valkey(tmp_path / "redis") as full, redis.Redis.from_url(full.url) as client:
        client.mset({f"key-{number}": "x" for number in range(2000)})
        client.bgrewriteaof()
        while client.info("persistence")["aof_rewrite_in_progress"]:
            pass
    slow = {"key-load-delay": "1000", "loading-process-events-interval-bytes": "1024"}
    loading = Valkey(tmp_path / "redis", options=slow)
    starting = threading.Thread(target=loading.start)
    starting.start()
    found = set()
    with closing(Lines(loading.url, 2.0)) as lines:
        while starting.is_alive():
            try:
                lines.execute("GET", "key-1")
            except LogUnavailable as error:
                found.add(str(error))
    starting.join()
    loading.stop()
    assert "Redis is still loading its data" in found


@pytest.mark.parametrize(
    ("rights", "words"),
    [
        (("~*", "+@all", "-set"), ("SET", "a", 1)),
        (("~other*", "+@all"), ("SET", "a", 1)),
        (("~*", "+@all", "-set"), ("EVAL", "return redis.call('SET', 'a', 1)", 0)),
        (("~other*", "+@all"), ("EVAL", "return redis.call('SET', 'a', 1)", 0)),
        (("~*", "+@all", "-@scripting"), ("EVALSHA", "0" * 40, 0)),
    ],
)
def test_a_user_without_a_right(server: Node, rights: tuple[str, ...], words: Any) -> None:
    error = refused(with_user(server, *rights), *words)
    assert type(error) is LogRefused
    assert str(error).startswith("REDIS_URL's user lacks a right that the log needs: ")
    assert str(error).endswith("Grant it with ACL SETUSER")


@pytest.mark.parametrize(
    "words", [("HIDDEN", "a"), ("EVAL", "return redis.call('HIDDEN')", 0), ("SCRIPT", "HIDDEN")]
)
def test_a_command_that_there_is_not(server: Node, words: Any) -> None:
    error = refused(server.server.url, *words)
    assert type(error) is LogRefused
    assert "does not know a command that the log needs" in str(error)


def test_a_database_that_there_is_not(server: Node) -> None:
    error = refused(f"{server.server.url}?db=5", "GET", "a")
    assert type(error) is InvalidSettings
    assert str(error) == "Redis has no database of the number in REDIS_URL"


def test_a_wrong_password_and_none(server: Node) -> None:
    server.command("ACL", "SETUSER", "app", "on", ">pw", "~*", "+@all")
    for user in ("app:wrong", "nobody:pw"):
        error = refused(server.server.url.replace("unix://", f"unix://{user}@"), "GET", "a")
        assert type(error) is InvalidSettings
        assert "wrong" not in str(error)
    server.command("CONFIG", "SET", "requirepass", "pw")
    error = refused(server.server.url, "GET", "a")
    assert type(error) is InvalidSettings
    assert str(error) == "Redis wants a password: write it into REDIS_URL"


def test_a_password_where_there_is_none(server: Node) -> None:
    error = refused(server.server.url.replace("unix://", "unix://:pw@"), "GET", "a")
    assert type(error) is InvalidSettings


def test_a_connection_whose_rights_were_revoked_is_replaced(server: Node, namespace: str) -> None:
    there = Settings(redis_url=with_user(server, "~*", "+@all"), namespace=namespace, timeout=3.0)

    async def work() -> None:
        async with AsyncCheckpointManager(there) as manager:
            await manager.save("job", "a", {})
            await manager._servers._redis.execute("RESET")  # noqa: SLF001 - as ACL LOAD does
            assert (await manager.save("job", "b", {})).version == 2

    server.command("CONFIG", "SET", "requirepass", "pw")  # or everybody is a user with all rights
    asyncio.run(work())
    with CheckpointManager(there) as manager:
        manager.save("job", "c", {})
        manager._servers._redis.execute("RESET")  # noqa: SLF001 - as above
        assert manager.save("job", "d", {}).version == 4


@contextmanager
def limited(server: Node, name: str) -> Iterator[None]:
    server.command("CONFIG", "SET", name, 1)
    yield
    server.command("CONFIG", "SET", name, 0)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("maxmemory", "Redis is at its maxmemory"),
        ("min-replicas-to-write", "fewer replicas in reach than min-replicas-to-write"),
    ],
)
def test_what_passes_by_itself_is_waited_for_over_the_same_connection(
    server: Node, namespace: str, name: str, said: str
) -> None:
    there = Settings(redis_url=server.server.url, namespace=namespace, timeout=4.0)
    with CheckpointManager(there) as manager:
        manager.save("job", "a", {})
        with limited(server, name):
            error = refused(server.server.url, "SET", "a", 1)
            assert said in str(error)
            assert not needs_another_connection(error)
            with pytest.raises(LogUnavailable, match=said):
                manager.within(0.3).save("job", "b", {})
            later = threading.Timer(0.5, server.command, ["CONFIG", "SET", name, 0])
            later.start()
            assert manager.save("job", "b", {}).version == 2
            later.join()


def test_a_script_of_somebody_else_that_does_not_end(server: Node) -> None:
    server.command("CONFIG", "SET", "busy-reply-threshold", "100")
    endless = threading.Thread(target=run_endless_script, args=[server])
    endless.start()
    found: list[CheckpointError] = []
    while not any("busy with somebody's script" in str(one) for one in found):
        try:
            with closing(Lines(server.server.url, 2.0)) as lines:
                lines.execute("GET", "a")
        except LogUnavailable as error:
            found.append(error)
    server.command("SCRIPT", "KILL")
    endless.join()


def run_endless_script(server: Node) -> None:
    with (
        closing(Lines(server.server.url, 20.0)) as lines,
        pytest.raises(LogUnavailable, match="SCRIPT KILL"),
    ):
        lines.execute("EVAL", "while true do end", 0)


def test_a_server_that_has_as_many_connections_as_it_may(server: Node) -> None:
    with redis.Redis.from_url(server.server.url) as client:
        client.config_set("maxclients", 1)
        with closing(Lines(server.server.url, 2.0)) as lines, pytest.raises(LogUnavailable):
            lines.execute("PING")
        client.config_set("maxclients", 100)


def test_a_key_of_another_type(server: Node) -> None:
    server.command("SET", "a", 1)
    assert type(refused(server.server.url, "XADD", "a", "*", "b", "c")) is LogRefused


def test_an_error_reply_does_not_cost_the_connection(server: Node) -> None:
    with closing(Lines(server.server.url, 2.0)) as lines:
        name = lines.execute("CLIENT", "ID")
        for _ in range(3):
            with pytest.raises(CheckpointError):
                lines.run(Call(WRITE, ["a"], []))
            with pytest.raises(CheckpointError):
                lines.execute("NOSUCHCOMMAND")
        with pytest.raises(CheckpointError):
            lines.run_synced(Call(WRITE, ["a"], []), 10)
        assert lines.execute("ECHO", "in step") == b"in step"
        lines.load(WRITE)
        assert lines.run_all([Call(WRITE, ["a"], [])] * 3) == [b"OK"] * 3
        assert lines.execute("ECHO", "in step") == b"in step"
    assert name


@pytest.mark.parametrize("rights", ["resetkeys %R~*", "-xadd", "-info", "-@scripting"])
def test_what_is_refused_is_raised_at_once_and_never_spooled(
    server: Node, namespace: str, tmp_path: Path, rights: str
) -> None:
    url = server.server.url
    with CheckpointManager(Settings(redis_url=url, namespace=namespace)) as manager:
        manager.save("job", "a", {})
    few = with_user(server, "~*", "+@all", *rights.split())
    there = Settings(redis_url=few, namespace=namespace, timeout=5.0)
    spool = tmp_path / "spool.db"

    async def save() -> None:
        async with AsyncCheckpointManager(there, spool=spool) as manager:
            await manager.save("job", "b", {})

    def save_blocking() -> None:
        with CheckpointManager(there, spool=spool) as manager:
            manager.save("job", "b", {})

    attempts: list[Callable[[], None]] = [save_blocking, lambda: asyncio.run(save())]
    for attempt in attempts:
        begun = monotonic()
        with pytest.raises(LogRefused, match="lacks a right"):
            attempt()
        assert monotonic() - begun < 2.0
    assert not Spool(spool, namespace).first()


def test_what_waits_in_a_spool_keeps_waiting_where_the_log_refuses(
    server: Node, namespace: str, tmp_path: Path
) -> None:
    few = with_user(server, "~*", "+@all")
    there = Settings(redis_url=few, namespace=namespace, timeout=0.3)
    with CheckpointManager(there, spool=tmp_path / "spool.db") as manager:
        manager.save("job", "a", {})
        with limited(server, "maxmemory"):
            assert manager.save("job", "b", {}).spooled
        server.command("ACL", "SETUSER", "few", "-xadd")
        with pytest.raises(LogRefused):
            manager.save("job", "c", {})
        server.command("ACL", "SETUSER", "few", "+xadd")
        assert manager.save("job", "c", {}).version == 3
