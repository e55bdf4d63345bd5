"""Redis is restarted while somebody makes sure of it, waits, or stores what it lost."""

import asyncio
import os
import shutil
import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from time import sleep
from typing import Any

import psycopg
import pytest
from psycopg import sql
from real_log import RealLog

from checkpoint import (
    ArchiveUnavailable,
    AsyncCheckpointManager,
    CheckpointManager,
    InvalidSettings,
    LogUnavailable,
    Settings,
)
from checkpoint import restore as restores
from checkpoint import worker as workers
from checkpoint.embedded import Valkey
from checkpoint.events import freshness
from checkpoint.events.entry_id import ZERO
from checkpoint.events.freshness import Place
from checkpoint.events.keys import topic_meta
from checkpoint.events.steps import Steps
from checkpoint.events.watermark import publish
from checkpoint.servers import Servers
from checkpoint.snapshotter.archive import Archive

QUIET_SECONDS = 0.6
"""A connection that is idle for so long is looked at, and made anew if it is dead."""


class Restarting:
    """A Redis that can be restarted at the same address with an older state of its disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "valkey"
        self._older = folder / "older"
        self.server = Valkey(self._folder, port=0)
        self.server.start()

    def remember(self) -> None:
        """Keep what the disk has now."""
        shutil.copytree(self._folder / "data", self._older)

    def restart_older(self) -> None:
        """Go back to what was kept."""
        port = self.server.port
        self.server.stop()
        shutil.rmtree(self._folder / "data")
        shutil.copytree(self._older, self._folder / "data")
        self.server = Valkey(self._folder, port=port)
        self.server.start()
        sleep(QUIET_SECONDS)

    def close(self) -> None:
        self.server.stop()


@pytest.fixture
def redis_there(tmp_path: Path) -> Any:
    with closing(Restarting(tmp_path)) as made:
        yield made


@pytest.fixture
def restarted(redis_there: Restarting, postgres_url: str, namespace: str) -> Settings:
    return Settings(
        redis_url=redis_there.server.url,
        postgres_url=postgres_url,
        namespace=namespace,
        partitions=1,
        timeout=4.0,
    )


def test_what_was_made_sure_of_is_what_is_opened(
    redis_there: Restarting, restarted: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis is restarted a second time, and older, while the archive is asked."""
    with closing(RealLog(restarted)) as log, CheckpointManager(restarted) as manager:
        manager.save("job", "a", 1)
        log.store()
        redis_there.remember()
        manager.save("job", "b", 2)
        log.store()
        log.client.hset(topic_meta(restarted.namespace), "run", "the one before")
        log.client.script_flush()
    right, calls = Archive.resume, []

    def slow(archive: Archive, *arguments: Any) -> Any:
        found = right(archive, *arguments)
        if not calls:
            calls.append(found)
            redis_there.restart_older()
        return found

    monkeypatch.setattr(Archive, "resume", slow)
    with CheckpointManager(restarted) as manager:
        with pytest.raises(LogUnavailable):
            manager.within(0.5).save("job", "c", 3)
        with closing(RealLog(restarted)) as log:
            log.run(restores.keep_whole(restarted.namespace, print))
        manager.save("job", "c", 3)
        assert manager.get_job_progress("job")["completed_stages"] == ["a", "b", "c"]
    assert calls


def test_a_restore_does_not_go_on_in_another_run(
    redis_there: Restarting, restarted: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [f"job-{number:03}" for number in range(150)]
    with closing(RealLog(restarted)) as log:
        with CheckpointManager(restarted) as manager:
            manager.save_many((job, "a", 1) for job in jobs)
        log.store()
        log.client.flushall()
    right, calls = Archive.latest_lives, []

    def slow(archive: Archive, some: Sequence[str]) -> Any:
        calls.append(some)
        if len(calls) == 1:
            redis_there.remember()
        if len(calls) == 2:
            redis_there.restart_older()
        return right(archive, some)

    monkeypatch.setattr(Archive, "latest_lives", slow)
    with closing(Runner(restarted)) as runner:
        with pytest.raises(LogUnavailable):
            runner.run(restores.restore(restarted.namespace, print))
        runner.run(restores.keep_whole(restarted.namespace, print))
    with CheckpointManager(restarted) as manager:
        assert all(manager.is_completed(job, "a") for job in jobs)


class Runner:
    """Carries out steps without opening the log."""

    def __init__(self, settings: Settings) -> None:
        self._servers = Servers(settings)

    def run(self, steps: Steps[Any]) -> Any:
        return self._servers.run(steps)

    def close(self) -> None:
        self._servers.close()


def test_a_clock_that_steps_back_after_a_restart_stops_nothing(
    archived_log: RealLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = freshness.redis_ms
    with CheckpointManager(archived_log.settings) as manager:
        manager.save("job", "a", 1)
        archived_log.store()
        archived_log.client.hset(topic_meta(archived_log.settings.namespace), "run", "before")

        def ahead() -> Steps[int]:
            return (yield from right()) + 1500

        monkeypatch.setattr(freshness, "redis_ms", ahead)
        archived_log.run(restores.keep_whole(archived_log.settings.namespace, print))
        monkeypatch.setattr(freshness, "redis_ms", right)
        saved = manager.save("job", "b", 2)
        archived_log.store()
        archive = archived_log.archive()
        assert archive.has(archived_log.partition_of("job").partition, saved.id)
        archive.close()


def test_a_run_goes_on_once_whoever_finds_it(archived_log: RealLog) -> None:
    """Who is slow must not take for lost what was appended meanwhile."""
    namespace = archived_log.settings.namespace
    place = Place(namespace, 2, has_archive=True)
    with CheckpointManager(archived_log.settings) as manager:
        manager.save("job", "a", 1)
        archived_log.store()
        archived_log.client.hset(topic_meta(namespace), "run", "before")
        archived_log.run(freshness.resume(place))
        saved = manager.save("job", "b", 2)
        archived_log.client.hset(topic_meta(namespace), "run", "before")
        archived_log.run(freshness.resume(place))
        archived_log.store()
        archive = archived_log.archive()
        assert archive.has(archived_log.partition_of("job").partition, saved.id)
        archive.close()


def test_an_archive_that_lost_its_positions_is_not_gone_on_with(archived_log: RealLog) -> None:
    settings = archived_log.settings
    assert settings.postgres_url
    with psycopg.connect(settings.postgres_url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("DELETE FROM {}.position").format(sql.Identifier(settings.namespace))
        )
    archived_log.client.hset(topic_meta(settings.namespace), "run", "before")
    with pytest.raises(ArchiveUnavailable, match="no position of partition"):
        archived_log.run(freshness.resume(Place(settings.namespace, 2, has_archive=True)))


def test_a_child_waits_for_itself_though_the_parent_waited_too(archived_log: RealLog) -> None:
    with CheckpointManager(replace(archived_log.settings, timeout=10.0)) as manager:
        saved = manager.save("job", "a", 1)
        waiting = threading.Thread(target=manager.wait_until_durable, args=[saved])
        waiting.start()
        sleep(0.5)
        if (child := os.fork()) == 0:
            try:
                manager.wait_until_durable(manager.save("job", "b", 1))
                os._exit(0)
            finally:
                os._exit(1)
        while os.waitpid(child, os.WNOHANG) == (0, 0):
            archive_all(archived_log)
            sleep(0.1)
        waiting.join()


def archive_all(log: RealLog) -> None:
    log.store()
    archive = log.archive()
    for number, position in archive.positions().items():
        if position.ms:
            log.call(publish(log.partition(number), position, ZERO))
    archive.close()


def test_who_waits_in_a_thread_outlives_a_cut_connection(archived_log: RealLog) -> None:
    with CheckpointManager(replace(archived_log.settings, timeout=10.0)) as manager:
        waiting = [
            threading.Thread(
                target=manager.save, args=["job", f"s{n}", n], kwargs={"ack": "durable"}
            )
            for n in range(8)
        ]
        for one in waiting:
            one.start()
        cut_and_archive(archived_log)
        for one in waiting:
            one.join()
        assert len(manager.get_job_progress("job")["completed_stages"]) == 8


def test_who_waits_in_asyncio_outlives_a_cut_connection(archived_log: RealLog) -> None:
    async def wait() -> None:
        settings = replace(archived_log.settings, timeout=10.0)
        async with AsyncCheckpointManager(settings) as manager:
            saving = [
                asyncio.create_task(manager.save("job", f"s{n}", n, ack="durable"))
                for n in range(8)
            ]
            await asyncio.sleep(0.3)
            await asyncio.to_thread(cut_and_archive, archived_log)
            await asyncio.gather(*saving)

    asyncio.run(wait())


def cut_and_archive(log: RealLog) -> None:
    sleep(0.5)
    log.client.client_kill_filter(_type="normal", skipme=True)
    sleep(0.3)
    archive_all(log)


def test_the_restoring_thread_outlives_what_it_cannot_mend(
    archived_log: RealLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []

    def keep_whole(*_: object) -> Steps[None]:
        tries.append(1)
        if len(tries) == 3:
            raise KeyboardInterrupt
        yield from ()
        raise InvalidSettings

    monkeypatch.setattr(workers, "WATCH_SECONDS", 0.01)
    monkeypatch.setattr(workers, "keep_whole", keep_whole)
    with pytest.raises(KeyboardInterrupt):
        workers._keep_whole(archived_log.settings)  # noqa: SLF001 - what the thread does
