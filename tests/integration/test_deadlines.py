"""Deadlines: a call ends within its own, whatever Postgres, the disk and other calls do."""

import asyncio
import os
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from awaited import Awaited
from real_log import RealLog
from silent_proxy import SilentProxy, silent_proxy

from checkpoint import (
    ArchiveUnavailable,
    AsyncCheckpointManager,
    CheckpointError,
    CheckpointManager,
    LogUnavailable,
    Settings,
    SpoolUnavailable,
)
from checkpoint.events.steps import AskArchive, Pause, Steps
from checkpoint.questions import SPOOL_SECONDS
from checkpoint.servers import AsyncServers, Servers
from checkpoint.spool import Spool

NOWHERE = "redis://127.0.0.1:1/0"
SECONDS = 1.0
KINDS = pytest.mark.parametrize("kind", [CheckpointManager, Awaited], ids=["blocking", "asyncio"])


@pytest.fixture
def proxy(archived_log: RealLog) -> Iterator[SilentProxy]:
    """Yield a proxy before the Postgres of an archive that has the job "j"."""
    with CheckpointManager(archived_log.settings) as manager:
        manager.save("j", "a", 1)
    archived_log.store()
    with silent_proxy(archived_log.settings.postgres_url or "") as made:
        yield made


@pytest.fixture
def settings(archived_log: RealLog, proxy: SilentProxy) -> Settings:
    return replace(archived_log.settings, postgres_url=proxy.url, timeout=SECONDS)


@contextmanager
def in_time(seconds: float = SECONDS) -> Iterator[None]:
    """Fail if the block takes much longer."""
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < 2 * seconds


def eventually(is_so: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


@contextmanager
def warm(kind: Any, settings: Settings, **more: Any) -> Iterator[Any]:
    """Yield a manager that is connected to the archive."""
    with kind(settings, **more) as manager:
        eventually(lambda: _knows(manager))
        yield manager


def _knows(manager: Any) -> bool:
    try:
        return len(manager.get_job_history("j")) == 1
    except CheckpointError:  # the machine is busy
        return False


@KINDS
def test_a_postgres_that_is_silent_on_an_open_connection_is_given_up(
    kind: Any, settings: Settings, proxy: SilentProxy
) -> None:
    with warm(kind, settings) as manager:
        proxy.is_silent = True
        for ask in (manager.get_job_history, manager.get_job_progress):
            with in_time(), pytest.raises(ArchiveUnavailable, match="within the deadline of 1 s"):
                ask("unknown")
        with in_time():
            assert manager.save("j", "b", 2).version == 2
        proxy.is_silent = False
        assert len(manager.get_job_history("j")) == 2
    eventually(lambda: not proxy.open)


@KINDS
def test_a_lookup_with_neither_redis_nor_postgres_ends_in_time(
    kind: Any, settings: Settings, proxy: SilentProxy
) -> None:
    away = replace(settings, redis_url=NOWHERE)
    with kind(away) as manager:
        eventually(lambda: _resumes(manager))
        proxy.is_silent = True
        with in_time(), pytest.raises((ArchiveUnavailable, LogUnavailable)):
            manager.get_resume_point("j")
    eventually(lambda: not proxy.open)


def _resumes(manager: Any) -> bool:
    try:
        return manager.get_resume_point("j") is not None
    except CheckpointError:
        return False


def test_close_ends_in_time_and_leaves_no_connection(
    settings: Settings, proxy: SilentProxy
) -> None:
    manager = CheckpointManager(settings)
    eventually(lambda: _knows(manager))
    with ThreadPoolExecutor() as pool:
        proxy.is_silent = True
        asked = pool.submit(manager.get_job_history, "j")
        time.sleep(SECONDS / 4)
        with in_time():
            manager.close()
        assert isinstance(asked.exception(), ArchiveUnavailable)
    eventually(lambda: not proxy.open)


def test_close_in_asyncio_ends_in_time_and_leaves_no_connection(
    settings: Settings, proxy: SilentProxy
) -> None:
    async def run() -> None:
        manager = AsyncCheckpointManager(settings)
        assert len(await manager.get_job_history("j")) == 1
        proxy.is_silent = True
        asked = asyncio.create_task(manager.get_job_history("j"))
        await asyncio.sleep(SECONDS / 4)
        with in_time():
            await manager.close()
        with pytest.raises(ArchiveUnavailable):
            await asked

    asyncio.run(run())
    eventually(lambda: not proxy.open)


@KINDS
def test_a_locked_table_is_waited_for_until_the_deadline(
    kind: Any, archived_log: RealLog, settings: Settings
) -> None:
    url = archived_log.settings.postgres_url
    assert url
    with warm(kind, settings) as manager, psycopg.connect(url) as busy:
        busy.execute(f'LOCK TABLE "{settings.namespace}".event')
        with in_time(), pytest.raises(ArchiveUnavailable):
            manager.get_job_history("j")
        busy.rollback()
        assert len(manager.get_job_history("j")) == 1


def test_one_question_that_hangs_keeps_no_other_waiting(settings: Settings) -> None:
    patient = replace(settings, timeout=10.0)
    with warm(CheckpointManager, patient) as manager, ThreadPoolExecutor() as pool:
        hung = pool.submit(manager._servers.run, sleeping(4))  # noqa: SLF001 - no verb takes long
        time.sleep(0.3)
        with in_time():
            assert len(manager.get_job_history("j")) == 1
        assert not hung.done()
        assert hung.result() == "slept"


def sleeping(seconds: float) -> Steps[str]:
    """Ask a question that takes so long to answer."""
    sleep = "SELECT pg_sleep(%s)"
    yield AskArchive(lambda one: one.transact(lambda sql: sql.execute(sleep, [seconds])))
    return "slept"


def test_who_has_waited_for_a_claim_has_time_for_the_archive(settings: Settings) -> None:
    def waits() -> Steps[Any]:
        yield Pause(SECONDS / 2)
        return (yield AskArchive(lambda archive: archive.log()))

    with closing(Servers(settings, SECONDS / 4)) as servers:
        with pytest.raises(ArchiveUnavailable):
            servers.run(waits())
        assert servers.run(waits(), SECONDS)

    async def run() -> object:
        servers = AsyncServers(settings, SECONDS / 4)
        try:
            return await servers.run(waits(), SECONDS)
        finally:
            await servers.close()

    assert asyncio.run(run())


def test_calls_in_asyncio_need_no_default_executor(settings: Settings, tmp_path: Path) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        over = threading.Event()
        async with AsyncCheckpointManager(settings, spool=tmp_path / "spool.db") as manager:
            hung = asyncio.create_task(asyncio.to_thread(over.wait, 60))
            await asyncio.sleep(0)
            try:
                assert (await manager.save("j", "b", 2)).version == 2
                assert len(await manager.get_job_history("j")) == 2
                assert (await manager.get_job_progress("unknown"))["status"] == "never existed"
            finally:
                over.set()
                await hung

    asyncio.run(run())


@KINDS
def test_a_connection_that_was_cut_while_it_was_idle_is_not_the_callers_problem(
    kind: Any, archived_log: RealLog, settings: Settings
) -> None:
    url = archived_log.settings.postgres_url
    assert url
    with warm(kind, settings) as manager:
        for _ in range(2):
            with psycopg.connect(url, autocommit=True) as other:
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            assert len(manager.get_job_history("j")) == 1
            assert manager.get_job_progress("unknown")["status"] == "never existed"


def test_an_idle_connection_that_is_silently_dead_is_replaced_in_time(
    settings: Settings, proxy: SilentProxy
) -> None:
    patient = replace(settings, timeout=4.0)
    with warm(CheckpointManager, patient) as manager:
        before = set(proxy.open)
        time.sleep(0.7)  # one that was just used is taken as it is
        proxy.is_silent = True
        mended = threading.Timer(0.5, setattr, [proxy, "is_silent", False])
        mended.start()
        # what was sent meanwhile is lost, as where a firewall forgot the connection
        assert len(manager.get_job_history("j")) == 1
        mended.join()
        assert not before & proxy.open


def test_ctrl_c_in_a_question_does_not_disturb_later_ones(settings: Settings) -> None:
    with warm(CheckpointManager, settings) as manager:
        for n in range(60):
            interrupt(0.0002 + n / 10_000, lambda: manager.get_job_history("j"))
            assert len(manager.get_job_history("j")) == 1
            assert len(manager.get_job_history("unknown")) == 0


def test_ctrl_c_in_a_question_that_hangs_ends_it_at_once(
    settings: Settings, proxy: SilentProxy
) -> None:
    patient = replace(settings, timeout=20.0)
    with warm(CheckpointManager, patient) as manager:
        proxy.is_silent = True
        with in_time():
            interrupt(0.3, lambda: manager.get_job_history("j"))
        proxy.is_silent = False
        with in_time(5):
            assert len(manager.get_job_history("j")) == 1


def interrupt(seconds: float, work: Callable[[], object]) -> None:
    """Interrupt work once, as Ctrl-C does, if it takes longer than so many seconds."""
    is_armed = True

    def handle(*_: object) -> None:
        nonlocal is_armed
        if is_armed:
            is_armed = False
            raise KeyboardInterrupt

    main = threading.main_thread().ident
    assert main
    previous = signal.signal(signal.SIGUSR1, handle)
    sender = threading.Timer(seconds, signal.pthread_kill, [main, signal.SIGUSR1])
    try:
        sender.start()
        work()
        is_armed = False
    except KeyboardInterrupt:
        pass
    finally:
        is_armed = False
        sender.join()
        signal.signal(signal.SIGUSR1, previous)


def test_a_task_that_is_cancelled_does_not_disturb_the_others(settings: Settings) -> None:
    async def run() -> None:
        async with AsyncCheckpointManager(settings) as manager:
            for n in range(60):
                tasks = [asyncio.create_task(manager.get_job_history("j")) for _ in range(3)]
                await asyncio.sleep(n / 10_000)
                tasks[0].cancel()
                found = await asyncio.gather(*tasks, return_exceptions=True)
                assert [len(one) for one in found[1:]] == [1, 1]  # type: ignore[arg-type]

    asyncio.run(run())


def test_a_task_that_is_cancelled_leaves_no_connection_that_hangs(
    settings: Settings, proxy: SilentProxy
) -> None:
    async def run() -> None:
        async with AsyncCheckpointManager(replace(settings, timeout=20.0)) as manager:
            assert len(await manager.get_job_history("j")) == 1
            proxy.is_silent = True
            with in_time(), pytest.raises(TimeoutError):
                await asyncio.wait_for(manager.get_job_history("j"), 0.3)

    asyncio.run(run())
    eventually(lambda: not proxy.open)


def test_a_child_that_is_forked_while_a_question_hangs_asks_anew(
    settings: Settings, proxy: SilentProxy
) -> None:
    patient = replace(settings, timeout=5.0)
    with warm(CheckpointManager, patient) as manager:
        proxy.is_silent = True
        hung = [threading.Thread(target=lambda: _knows(manager), daemon=True) for _ in range(6)]
        for one in hung:
            one.start()
        time.sleep(0.3)
        proxy.is_silent = False
        if not (child := os.fork()):
            os._exit(0 if _knows(manager) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        for one in hung:
            one.join()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep the spool's file locked, as another process in a transaction does."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("ROLLBACK")


@KINDS
def test_a_spool_that_is_locked_is_given_up(kind: Any, settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    away = replace(settings, redis_url=NOWHERE)
    with kind(away, spool=path) as manager:
        assert manager.save("j", "b", 1).spooled
        with locked(path), in_time(SECONDS + SPOOL_SECONDS), pytest.raises(SpoolUnavailable):
            manager.save("j", "c", 1)
        # it was given up half-way: it may be in the spool, or not
        eventually(lambda: _is_free(path))
        assert manager.save("j", "d", 1).spooled


def _is_free(path: Path) -> bool:
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as db:
        try:
            db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        db.execute("ROLLBACK")
        return True


def test_a_signal_handler_may_save_to_a_spool_that_its_thread_is_writing_to(
    settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "spool.db"
    handled: list[int] = []
    main = threading.main_thread().ident
    assert main
    away = replace(settings, redis_url=NOWHERE, postgres_url=None, timeout=0.5)
    with CheckpointManager(away, spool=path) as manager:

        def save(*_: object) -> None:
            handled.append(manager.save("handled", f"s{len(handled)}", 1).spooled)

        previous = signal.signal(signal.SIGUSR1, save)
        try:
            for n in range(6):
                sender = threading.Timer(0.45 + n / 50, signal.pthread_kill, [main, signal.SIGUSR1])
                sender.start()
                assert manager.save("main", f"s{n}", 1).spooled
                sender.join()
        finally:
            signal.signal(signal.SIGUSR1, previous)
    assert len(Spool(path, settings.namespace).waiting("handled")) == len(handled) > 0
    assert len(Spool(path, settings.namespace).waiting("main")) == 6


@KINDS
@pytest.mark.parametrize(
    "call",
    [
        lambda manager: manager.save("j", "a", 1),
        lambda manager: manager.load("j", "a"),
        lambda manager: manager.save("j", "a", 1, ack="synced"),
        lambda manager: manager.rewind("j", "a"),
        lambda manager: manager.delete_job_checkpoints("j"),
    ],
    ids=["save", "load", "synced", "rewind", "delete"],
)
def test_a_redis_that_is_silent_is_given_up_at_the_deadline(
    kind: Any, call: Callable[[Any], object]
) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        url = f"redis://127.0.0.1:{server.getsockname()[1]}/0"
        # what is tried again then would have half of the timeout for a reply
        listening = threading.Timer(2.0, server.listen)
        with kind(Settings(redis_url=url, timeout=3.0)) as manager:
            begun = time.monotonic()
            listening.start()
            with pytest.raises(LogUnavailable):
                call(manager)
            assert time.monotonic() - begun < 3.4
        listening.join()


@KINDS
@pytest.mark.parametrize(
    "call",
    [
        lambda manager: manager.rewind("j", "a"),
        lambda manager: manager.fork("j", "other"),
        lambda manager: manager.delete_job_checkpoints("j"),
    ],
    ids=["rewind", "fork", "delete"],
)
def test_a_call_that_looks_before_it_appends_has_one_deadline_for_both(
    kind: Any, log: RealLog, call: Callable[[Any], object]
) -> None:
    with kind(replace(log.settings, timeout=SECONDS)) as manager:
        manager.save("j", "a", 1)
        log.client.config_set("min-replicas-to-write", 1)  # refuses appends
        try:
            log.client.client_pause(int(SECONDS * 800))
            begun = time.monotonic()
            with pytest.raises(LogUnavailable):
                call(manager)
            assert time.monotonic() - begun < 1.4 * SECONDS
        finally:
            log.client.config_set("min-replicas-to-write", 0)
