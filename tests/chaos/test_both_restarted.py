"""Redis and Postgres are restarted together, as a host's reboot does, while a pipeline lives on."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import monotonic, sleep

import pytest
import redis
from real_log import RealLog

from checkpoint import (
    AsyncCheckpointManager,
    CheckpointManager,
    LogNotCompared,
    LogNotReady,
    LogUnavailable,
    Settings,
)
from checkpoint.embedded import Postgres, Valkey
from checkpoint.restore import keep_whole


class Both:
    """A Redis and a Postgres that are restarted."""

    def __init__(self, folder: Path) -> None:
        self.redis, self.postgres = Valkey(folder / "redis"), Postgres(folder / "postgres")
        self.redis.start()
        self.postgres.start()

    def restart(self, seconds: float) -> None:
        """Restart both; Postgres is back so much later than Redis."""
        self.postgres.stop()
        self.redis.stop()
        self.redis.start()
        sleep(seconds)
        self.postgres.start()

    def close(self) -> None:
        self.redis.stop()
        self.postgres.stop()


@pytest.fixture(name="both")
def _both(tmp_path: Path) -> Iterator[Both]:
    with closing(Both(tmp_path)) as made:
        yield made


@pytest.fixture(name="there")
def _there(both: Both, namespace: str) -> Settings:
    return Settings(
        redis_url=both.redis.url,
        postgres_url=both.postgres.url,
        namespace=namespace,
        partitions=1,
        timeout=15.0,
    )


def test_a_save_waits_until_both_are_back(both: Both, there: Settings) -> None:
    with CheckpointManager(there) as manager:
        manager.save("job", "a", {})
        manager.get_job_history("job")  # the archive has a connection too
        for version in (2, 3):
            restart = threading.Thread(target=both.restart, args=[1.0])
            restart.start()
            sleep(0.5)
            assert manager.save("job", "b", {}).version == version
            restart.join()


def test_a_save_of_asyncio_code_waits_too(both: Both, there: Settings) -> None:
    async def work() -> None:
        async with AsyncCheckpointManager(there) as manager:
            await manager.save("job", "a", {})
            await manager.get_job_history("job")
            restart = asyncio.create_task(asyncio.to_thread(both.restart, 1.0))
            await asyncio.sleep(0.5)
            assert (await manager.save("job", "b", {})).version == 2
            await restart

    asyncio.run(work())


def test_an_emptied_redis_is_refused_all_the_same(both: Both, there: Settings) -> None:
    with CheckpointManager(there) as manager:
        manager.save("job", "a", {})
        both.postgres.stop()
        with redis.Redis.from_url(both.redis.url) as client:
            client.flushall()
            client.script_flush()
        with pytest.raises((LogNotReady, LogUnavailable)):
            manager.within(0.5).save("job", "b", {})
        both.postgres.start()
        with pytest.raises(LogNotReady):
            manager.save("job", "b", {})


def test_what_cannot_be_compared_in_time_is_not_appended_to(both: Both, there: Settings) -> None:
    with CheckpointManager(there) as manager:
        manager.save("job", "a", {})
        both.postgres.stop()
        with redis.Redis.from_url(both.redis.url) as client:
            client.script_flush()
        begun = monotonic()
        with pytest.raises(LogUnavailable, match="cannot be compared with the archive"):
            manager.within(1.0).save("job", "b", {})
        assert monotonic() - begun > 0.4
        both.postgres.start()
        assert manager.save("job", "b", {}).version == 2


def test_a_process_that_knows_no_archive_waits_for_who_compares(
    both: Both, there: Settings
) -> None:
    with CheckpointManager(there) as knowing:
        knowing.save("job", "a", {})
    without = Settings(redis_url=there.redis_url, namespace=there.namespace, timeout=15.0)
    with CheckpointManager(without) as manager, closing(RealLog(there)) as log:
        manager.save("job", "b", {})
        log.client.script_flush()
        with pytest.raises(LogNotCompared, match="a snapshotter does that"):
            manager.within(0.5).save("job", "c", {})
        later = threading.Timer(0.5, lambda: log.run(keep_whole(there.namespace, print)))
        later.start()
        assert manager.save("job", "c", {}).version == 3
        later.join()


def test_scripts_that_are_flushed_again_and_again_reach_no_caller(
    both: Both, there: Settings
) -> None:
    over = threading.Event()

    def flush() -> None:
        with redis.Redis.from_url(both.redis.url) as client:
            while not over.is_set():
                client.script_flush()
                sleep(0.003)

    with CheckpointManager(there) as manager:
        manager.save("job", "a", {})
        flushing = threading.Thread(target=flush)
        flushing.start()
        try:
            for version in range(2, 12):
                assert manager.save("job", "b", {}).version == version
        finally:
            over.set()
            flushing.join()
