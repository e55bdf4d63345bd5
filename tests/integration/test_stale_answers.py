"""While Redis is away, no answer is older than what its manager was told."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import psycopg
import pytest
from awaited import Awaited
from losing_proxy import LosingProxy, losing_proxy
from psycopg import sql
from real_log import RealLog

from checkpoint import CheckpointManager, LogUnavailable, last_seen
from checkpoint.embedded import Valkey

FILM = ["cut", "mix", "export"]

READERS: dict[str, Callable[[Any, str], Any]] = {
    "load": lambda manager, job: manager.load(job, "cut"),
    "is_completed": lambda manager, job: manager.is_completed(job, "cut"),
    "resume point": lambda manager, job: (manager.get_resume_point(job) or {}).get("stage_data"),
    "progress": lambda manager, job: manager.get_job_progress(job)["completed_stages"],
    "history": lambda manager, job: [one["version"] for one in manager.get_job_history(job)],
    "snapshot": lambda manager, job: manager.get_job_snapshot(job).load("cut"),
}
reader = pytest.mark.parametrize("read", READERS.values(), ids=READERS)


@pytest.fixture
def proxy(archived_log: RealLog) -> Iterator[LosingProxy]:
    with losing_proxy(archived_log.settings.redis_url) as between:
        yield between


@pytest.fixture(params=[CheckpointManager, Awaited], ids=["blocking", "asyncio"])
def manager(
    request: pytest.FixtureRequest, archived_log: RealLog, proxy: LosingProxy
) -> Iterator[Any]:
    settings = replace(archived_log.settings, redis_url=proxy.url, timeout=1.0)
    with request.param(settings, pipeline=FILM) as made:
        yield made


@contextmanager
def away(proxy: LosingProxy) -> Iterator[None]:
    """Refuse connections to Redis as long as the block runs."""
    proxy.cut()
    try:
        yield
    finally:
        proxy.mend()


@contextmanager
def blip(proxy: LosingProxy, seconds: float = 0.05) -> Iterator[None]:
    """Cut all connections, and refuse new ones for a moment."""
    proxy.cut()
    mend = threading.Timer(seconds, proxy.mend)
    mend.start()
    yield
    mend.join()


@reader
def test_a_blip_changes_no_answer(manager: Any, proxy: LosingProxy, read: Any) -> None:
    manager.save("saved", "cut", 1)
    manager.save("deleted", "cut", 1)
    manager.delete_job_checkpoints("deleted")
    for job in ("saved", "deleted", "never"):
        before = read(manager, job)
        with blip(proxy):
            assert read(manager, job) == before


@reader
def test_an_archive_that_lags_behind_a_save_does_not_answer(
    manager: Any, archived_log: RealLog, proxy: LosingProxy, read: Any
) -> None:
    manager.save("j", "cut", 1)
    archived_log.store()
    manager.save("j", "cut", 2)
    with away(proxy), pytest.raises(LogUnavailable, match="lacks what this process"):
        read(manager, "j")
    archived_log.store()
    with away(proxy):
        read(manager, "j")
    assert manager.load("j", "cut") == 2


@reader
def test_a_job_that_was_deleted_does_not_come_back(
    manager: Any, archived_log: RealLog, proxy: LosingProxy, read: Any
) -> None:
    manager.save("j", "cut", 1)
    archived_log.store()
    manager.delete_job_checkpoints("j")
    with away(proxy), pytest.raises(LogUnavailable, match="lacks what this process"):
        read(manager, "j")


@reader
def test_nothing_is_not_an_answer_of_the_archive(
    manager: Any, archived_log: RealLog, proxy: LosingProxy, read: Any
) -> None:
    manager.save("other", "cut", 1)
    archived_log.store()
    with away(proxy), pytest.raises(LogUnavailable, match="knows nothing of job 'j'"):
        read(manager, "j")


@reader
def test_what_was_read_counts_as_told(
    manager: Any, archived_log: RealLog, proxy: LosingProxy, read: Any
) -> None:
    with CheckpointManager(archived_log.settings, pipeline=FILM) as other:
        other.save("j", "cut", 1)
        archived_log.store()
        other.save("j", "cut", 2)
    read(manager, "j")
    with away(proxy), pytest.raises(LogUnavailable, match="lacks what this process"):
        read(manager, "j")


@reader
def test_a_forgotten_job_counts_with_its_partition(
    manager: Any,
    archived_log: RealLog,
    proxy: LosingProxy,
    read: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(last_seen, "REMEMBERED", 1)
    manager.save("j", "cut", 1)
    archived_log.store()
    manager.save("j", "cut", 2)
    manager.save("another", "cut", 1)
    with away(proxy), pytest.raises(LogUnavailable, match="lacks what this process"):
        read(manager, "j")
    archived_log.store()
    with away(proxy):
        read(manager, "j")


def test_an_answer_of_the_archive_says_so(
    manager: Any, archived_log: RealLog, proxy: LosingProxy
) -> None:
    manager.save("j", "cut", 1)
    archived_log.store()
    with away(proxy):
        assert manager.get_resume_point("j")["source"] == "archive"
        assert manager.get_job_progress("j")["source"] == "archive"
        assert manager.get_job_history("j").source == "archive"
        snapshot = manager.get_job_snapshot("j")
        assert (snapshot.source, snapshot.status, snapshot.version) == ("archive", "running", 1)
        assert snapshot.is_completed("cut")
        assert not snapshot.is_completed("mix")
    assert manager.get_job_history("j").source == "log"
    assert manager.get_job_snapshot("j").source == "log"


def test_nothing_is_rewound_or_forked_from_the_archive(
    manager: Any, archived_log: RealLog, proxy: LosingProxy
) -> None:
    manager.save("j", "cut", 1)
    manager.save("j", "mix", 1)
    archived_log.store()
    with away(proxy):
        assert manager.get_resume_point("j")["resume_from_stage"] == "export"
        with pytest.raises(LogUnavailable):
            manager.rewind("j", "cut")
        with pytest.raises(LogUnavailable):
            manager.fork("j", "new")


@reader
def test_a_call_that_finds_nobody_ends_in_time(
    manager: Any, archived_log: RealLog, proxy: LosingProxy, read: Any
) -> None:
    manager.save("j", "cut", 1)
    begun = monotonic()
    with away(proxy), pytest.raises(LogUnavailable):
        read(manager, "j")
    assert monotonic() - begun < 2.0  # its timeout is one second


@pytest.mark.parametrize("seconds", [0.3, 0.7])
def test_a_redis_that_is_slow_is_waited_for(
    archived_log: RealLog, tmp_path: Path, seconds: float
) -> None:
    with Valkey(tmp_path / "valkey") as slow:
        settings = replace(archived_log.settings, redis_url=slow.url, namespace="slow", timeout=1.0)
        with CheckpointManager(settings, pipeline=FILM) as manager:
            for read in READERS.values():
                manager.save("j", "cut", 1)
                before = read(manager, "j")
                assert slow.pid
                os.kill(slow.pid, signal.SIGSTOP)
                wake = threading.Timer(seconds, os.kill, [slow.pid, signal.SIGCONT])
                wake.start()
                assert read(manager, "j") == before
                wake.join()


def test_what_waits_in_the_spool_is_no_resume_point_without_what_was_saved_before(
    log: RealLog, tmp_path: Path
) -> None:
    with losing_proxy(log.settings.redis_url) as proxy:
        settings = replace(log.settings, redis_url=proxy.url, timeout=0.4)
        with CheckpointManager(settings, pipeline=FILM, spool=tmp_path / "spool") as manager:
            manager.save("j", "cut", 1)
            with away(proxy):
                assert manager.save("j", "mix", 2).spooled
                assert manager.load("j", "mix") == 2
                with pytest.raises(LogUnavailable):
                    manager.get_resume_point("j")
            point = manager.get_resume_point("j")
            assert point is not None
            assert point["stage_data"] == {"cut": 1, "mix": 2}


@reader
def test_an_archive_without_its_positions_does_not_answer(
    manager: Any, archived_log: RealLog, proxy: LosingProxy, read: Any
) -> None:
    manager.save("j", "cut", 1)
    archived_log.store()
    assert archived_log.settings.postgres_url
    with psycopg.connect(archived_log.settings.postgres_url, autocommit=True) as postgres:
        postgres.execute(
            sql.SQL("DELETE FROM {}.position").format(
                sql.Identifier(archived_log.settings.namespace)
            )
        )
    with away(proxy), pytest.raises(LogUnavailable, match="no position of partition"):
        read(manager, "j")
