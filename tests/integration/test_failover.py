"""An address that leads to another server than the connections that are open."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep

import pytest
from failover import Pair, pair
from processes import environ, eventually, running

from checkpoint import AsyncCheckpointManager, CheckpointManager, LogUnavailable, Settings
from checkpoint.query.lag import measure_lag
from checkpoint.restore import keep_whole
from checkpoint.servers import Servers
from checkpoint.spool import Spool

REPLICA = "This Redis is a replica"


@pytest.fixture(name="nodes")
def _nodes(tmp_path: Path) -> Iterator[Pair]:
    with pair(tmp_path) as made:
        yield made


@pytest.fixture(name="there")
def _there(nodes: Pair, namespace: str) -> Settings:
    return Settings(redis_url=nodes.proxy.url, namespace=namespace, partitions=2, timeout=4.0)


def lag(settings: Settings, consumer: str) -> int:
    """Return how many entries a worker lacks."""
    servers = Servers(settings)
    try:
        lags = servers.run(measure_lag(settings.namespace, settings.partitions or 0))
    finally:
        servers.close()
    return sum(one.entries for one in lags if one.consumer == consumer)


def save_at_a_time(manager: CheckpointManager, calls: int) -> None:
    """Let a manager open so many connections."""
    together = threading.Barrier(calls)

    def save(number: int) -> None:
        together.wait()
        manager.save(f"job-{number}", "a", {})

    threads = [threading.Thread(target=save, args=[number]) for number in range(calls)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()


def test_a_manager_with_many_connections_goes_on_at_the_new_primary(
    nodes: Pair, there: Settings, tmp_path: Path
) -> None:
    with CheckpointManager(there, spool=tmp_path / "spool.db") as manager:
        save_at_a_time(manager, 6)
        nodes.fail_over()
        for version in range(2, 12):
            saved = manager.save("job-0", "b", {})
            assert (saved.version, saved.spooled) == (version, 0)
        nodes.fail_over()
        save_at_a_time(manager, 6)
        manager.save_many((f"job-{number}", "c", {}) for number in range(20))
        assert manager.is_completed("job-19", "c")
        assert not Spool(tmp_path / "spool.db", there.namespace).first()


def test_an_asyncio_manager_goes_on_at_the_new_primary(nodes: Pair, there: Settings) -> None:
    async def work() -> None:
        async with AsyncCheckpointManager(there) as manager:
            await manager.save("job", "a", {})
            for _ in range(2):
                await asyncio.to_thread(nodes.fail_over)
                jobs = [f"job-{number}" for number in range(50)]
                await asyncio.gather(*[manager.save(job, "b", {}) for job in jobs])
                await manager.save_many((job, "c", {}) for job in jobs)
                async with manager.claim("held") as job:
                    await job.save("a", {})
                assert (await manager.save("job", "b", {}, ack="synced")).version

    asyncio.run(work())


def test_who_only_reads_asks_the_new_primary(nodes: Pair, there: Settings) -> None:
    async def read() -> None:
        async with AsyncCheckpointManager(there) as reading:
            assert await reading.load("job", "a") == 1
            await asyncio.to_thread(nodes.fail_over)
            with CheckpointManager(replace(there, redis_url=nodes.primary.server.url)) as writing:
                nodes.replica.command("REPLICAOF", "127.0.0.1", 1)  # it hears of nothing more
                writing.save("job", "a", 3)
            assert await reading.load("job", "a") == 3

    with CheckpointManager(there) as reading:
        reading.save("job", "a", 0)
        assert reading.load("job", "a") == 0
        nodes.fail_over()
        with CheckpointManager(replace(there, redis_url=nodes.primary.server.url)) as writing:
            nodes.replica.command("REPLICAOF", "127.0.0.1", 1)
            writing.save("job", "a", 1)
        assert reading.load("job", "a") == 1
    nodes.replica.replicate(nodes.primary)
    asyncio.run(read())


def test_synced_saves_go_on_at_the_new_primary(nodes: Pair, there: Settings) -> None:
    with CheckpointManager(there) as manager:
        manager.save("job", "a", {}, ack="synced")
        nodes.fail_over()
        assert manager.save("job", "b", {}, ack="synced").version == 2


def test_a_call_waits_for_a_failover_that_is_not_over(nodes: Pair, there: Settings) -> None:
    with CheckpointManager(there) as manager:
        manager.save("job", "a", {})
        eventually(lambda: nodes.replica.is_level_with(nodes.primary))
        nodes.primary.command("REPLICAOF", "127.0.0.1", 1)
        later = threading.Timer(1.0, nodes.primary.command, ["REPLICAOF", "NO", "ONE"])
        later.start()
        begun = monotonic()
        assert manager.save("job", "b", {}).version == 2
        assert 0.8 < monotonic() - begun < there.timeout
        later.join()


@pytest.mark.parametrize("is_open", [True, False])
def test_a_server_that_stays_a_replica_is_named_at_the_deadline(
    nodes: Pair, there: Settings, *, is_open: bool
) -> None:
    hasty = replace(there, timeout=1.0)

    async def save() -> None:
        async with AsyncCheckpointManager(hasty) as manager:
            await manager.save("job", "a", {})

    with CheckpointManager(there) as other:
        other.save("job", "a", {})
    with CheckpointManager(hasty) as manager:
        if is_open:
            manager.save("job", "b", {})
        nodes.primary.command("REPLICAOF", "127.0.0.1", 1)
        for attempt in (lambda: manager.save("job", "c", {}), lambda: asyncio.run(save())):
            begun = monotonic()
            with pytest.raises(LogUnavailable, match=REPLICA):
                attempt()
            assert 0.3 < monotonic() - begun < 2.0


def test_a_replica_that_serves_nothing_is_an_outage(nodes: Pair, there: Settings) -> None:
    with CheckpointManager(there) as manager:
        manager.save("job", "a", {})
        nodes.primary.command("CONFIG", "SET", "replica-serve-stale-data", "no")
        nodes.primary.command("REPLICAOF", "127.0.0.1", 1)
        with pytest.raises(LogUnavailable, match="replica that has lost its primary"):
            manager.within(0.5).save("job", "b", {})
        nodes.primary.command("REPLICAOF", "NO", "ONE")
        assert manager.save("job", "b", {}).version == 2


def test_who_waits_for_the_archive_meets_the_failover_as_an_outage(
    nodes: Pair, there: Settings, postgres_url: str
) -> None:
    archived = replace(there, postgres_url=postgres_url, timeout=15.0)

    async def wait() -> int:
        async with AsyncCheckpointManager(archived) as manager:
            saving = asyncio.create_task(manager.save("job", "a", {}, ack="durable"))
            await asyncio.sleep(1.0)
            await asyncio.to_thread(nodes.fail_over)
            with running(
                "-m",
                "checkpoint",
                "worker",
                "snapshotter",
                **environ(archived, CHECKPOINT_PARTITIONS="2"),
            ):
                return (await saving).version

    assert asyncio.run(wait()) == 1


def test_who_keeps_the_log_whole_follows_the_address(
    nodes: Pair, there: Settings, postgres_url: str
) -> None:
    archived = replace(there, postgres_url=postgres_url)
    with CheckpointManager(archived) as manager:
        manager.save("job", "a", {})
    servers = Servers(archived)
    servers.run(keep_whole(archived.namespace, print))
    nodes.fail_over()
    known = nodes.primary.command("INFO", "server")["run_id"].encode()
    meta = f"{{{archived.namespace}}}:meta"
    for _ in range(3):  # the first finds a replica
        servers.run(keep_whole(archived.namespace, print))
    servers.close()
    assert nodes.primary.command("HGET", meta, "run") == known


@pytest.mark.parametrize("kind", ["projector", "snapshotter"])
def test_a_worker_goes_on_at_the_new_primary_and_tells_of_it_once(
    nodes: Pair, there: Settings, postgres_url: str, tmp_path: Path, kind: str
) -> None:
    archived = replace(there, postgres_url=postgres_url, timeout=5.0)
    told = tmp_path / "told"
    with ExitStack() as stack:
        log = stack.enter_context(told.open("w"))
        process = stack.enter_context(
            running(
                "-m",
                "checkpoint",
                "worker",
                kind,
                stderr=log,
                **environ(archived, CHECKPOINT_PARTITIONS="2"),
            )
        )
        assert process.stdout
        assert process.stdout.readline().startswith("ready")
        manager = stack.enter_context(CheckpointManager(archived))
        for turn in range(2):
            manager.save_many((f"job-{turn}-{number}", "a", {}) for number in range(20))
            eventually(lambda: lag(archived, kind), wanted=lambda lacking: lacking == 0)
            nodes.fail_over()
            sleep(1.5)  # heartbeats, trims and commits meet the replica
        manager.save_many((f"job-{number}", "a", {}) for number in range(20))
        eventually(lambda: lag(archived, kind), wanted=lambda lacking: lacking == 0)
        assert process.poll() is None
    lines = told.read_text().splitlines()
    assert not [line for line in lines if "Traceback" in line]
    assert len([line for line in lines if REPLICA in line]) <= 12
