"""A process dies between two effects, at each place where it can; the next one goes on."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from typing import get_args

import pytest
from isolation import remove_namespace
from processes import environ as plain_environ
from processes import eventually, running, worker
from real_log import RawEntries, RealLog
from servers import NOWHERE

from checkpoint import CheckpointManager, Settings
from checkpoint.events.crash_point import CrashPoint
from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.keys import topic_meta
from checkpoint.projector.fold import NOTHING, fold_all

JOBS = ("job-1", "job-2")
STAGES = ("a", "b", "c")

PRODUCER = dedent(
    f"""
    from checkpoint import ArchiveUnavailable, CheckpointManager, LogUnavailable

    def is_completed(job, stage):
        try:
            return manager.is_completed(job, stage)
        except (LogUnavailable, ArchiveUnavailable):  # nobody knows
            return False

    with CheckpointManager() as manager:
        for job in {JOBS}:
            for stage in {STAGES}:
                if not is_completed(job, stage):
                    manager.save(job, stage, dict(of=job))
    """
)

CREATION = ["log: named", "log: registered", "log: partitions marked"]
APPEND = ["append: before the script", "append: after the script"]
VIEW = ["view: before the write", "view: after the write"]
ARCHIVE = [
    "archive: before the rows",
    "archive: before the commit",
    "archive: after the commit",
    "archive: after the watermark",
]
TRIM = ["log: before the trim", "log: after the trim"]
RESTART = ["restart: on record", "restart: fenced"]
RESTORE = [
    "restore: partition closed",
    "restore: on record",
    "restore: jobs written",
    "restore: partition opened",
    "restore: before the gate",
]
REBUILD = ["rebuild: before the views", "rebuild: after the views"]
SPOOL = ["spool: before the write", "spool: after the write"]
DRAIN = ["spool: after the log", "spool: drained"]


def environ(settings: Settings, at: str = "", spool: Path | None = None) -> dict[str, str]:
    return plain_environ(
        settings,
        CHECKPOINT_PARTITIONS="2",
        CHECKPOINT_LOG_MARGIN="0.001",
        CHECKPOINT_TIMEOUT="0.2" if settings.redis_url == NOWHERE else "5",
        CHECKPOINT_CRASH_AT=at,
        CHECKPOINT_SPOOL=str(spool or ""),
    )


def produce(variables: dict[str, str]) -> int:
    """Run the producer to its end; return its exit code."""
    command = [sys.executable, "-c", PRODUCER]
    return subprocess.run(command, env={**os.environ, **variables}, check=False).returncode


def dies(kind: str, settings: Settings, at: str) -> None:
    """Run a worker until it gets to a crash point."""
    with running("-m", "checkpoint", "worker", kind, **environ(settings, at)) as process:
        assert process.wait(60) == -signal.SIGKILL


def check(settings: Settings, *, trimmed: bool = False) -> None:
    """See that the jobs go on, that nothing is lost or doubled, and that everybody agrees on it."""
    with CheckpointManager(settings) as manager:
        for job in JOBS:
            assert manager.save(job, "last", {}).version == len(STAGES) + 1
    log = RealLog(settings)
    log.project()
    log.store()
    archive = log.archive()
    for job in JOBS:
        entries, _ = archive.job_entries(job)
        archived = fold_all(NOTHING, entries)
        assert [entry.version for entry in entries] == [1, 2, 3, 4]
        assert sorted(archived.checkpoints) == ["a", "b", "c", "last"]
        assert log.view(job) == archived
        assert trimmed or log.fold(job) == archived
    archive.close()
    log.close()


def catch_up(kind: str, settings: Settings) -> None:
    """Run a worker until it has the whole log."""
    log = RealLog(settings)
    archive = log.archive()

    def behind() -> int:
        return sum(
            (log.position(number) if kind == "projector" else archive.positions()[number])
            < last_id(log.raw(number))
            for number in log.numbers
        )

    with worker(kind, environ(settings)):
        eventually(behind, wanted=lambda partitions: partitions == 0)
    archive.close()
    log.close()


def last_id(rows: RawEntries) -> EntryId:
    return EntryId.parse(rows[-1][0]) if rows else ZERO


def test_every_point_is_visited() -> None:
    visited = [
        *CREATION,
        *APPEND,
        *VIEW,
        *ARCHIVE,
        *TRIM,
        *RESTART,
        *RESTORE,
        *REBUILD,
        *SPOOL,
        *DRAIN,
    ]
    assert sorted(visited) == sorted(get_args(CrashPoint))


@pytest.mark.parametrize("at", [*CREATION, *APPEND])
def test_a_producer_dies(settings: Settings, at: str) -> None:
    assert produce(environ(settings, at)) == -signal.SIGKILL
    assert produce(environ(settings)) == 0
    check(settings)


@pytest.mark.parametrize("at", [*VIEW, *ARCHIVE])
def test_a_worker_dies(settings: Settings, at: str) -> None:
    assert produce(environ(settings)) == 0
    kind = "projector" if at in VIEW else "snapshotter"
    dies(kind, settings, at)
    catch_up(kind, settings)
    check(settings)


@pytest.mark.parametrize("at", TRIM)
def test_a_snapshotter_dies_while_it_trims(settings: Settings, at: str) -> None:
    assert produce(environ(settings)) == 0
    log = RealLog(settings)
    log.project()
    log.close()
    dies("snapshotter", settings, at)
    check(settings, trimmed=True)


@pytest.mark.parametrize("at", RESTART)
def test_a_producer_dies_where_it_finds_redis_restarted(settings: Settings, at: str) -> None:
    assert produce(environ(settings)) == 0
    log = RealLog(settings)
    log.store()
    log.client.hset(topic_meta(settings.namespace), "run", "the one before")
    log.client.script_flush()
    log.close()
    assert produce(environ(settings, at)) == -signal.SIGKILL
    assert produce(environ(settings)) == 0
    check(settings)


@pytest.mark.parametrize("at", RESTORE)
def test_a_restore_dies(settings: Settings, at: str) -> None:
    assert produce(environ(settings)) == 0
    log = RealLog(settings)
    log.store()
    remove_namespace(settings.redis_url, settings.namespace)
    log.client.script_flush()
    log.close()
    dies("snapshotter", settings, at)
    with worker("snapshotter", environ(settings)):
        eventually(lambda: produce(environ(settings)), wanted=lambda code: code == 0)
    check(settings, trimmed=True)


@pytest.mark.parametrize("at", REBUILD)
def test_a_rebuild_dies(settings: Settings, at: str) -> None:
    assert produce(environ(settings)) == 0
    log = RealLog(settings)
    log.project()
    for job in JOBS:
        log.client.delete(log.keys(job).view)
    log.close()
    with running("-m", "checkpoint", "rebuild", **environ(settings, at)) as process:
        assert process.wait(60) == -signal.SIGKILL
    with running("-m", "checkpoint", "rebuild", **environ(settings)) as process:
        assert process.wait(60) == 0
    check(settings)


@pytest.mark.parametrize("at", SPOOL)
def test_a_producer_dies_while_redis_is_away(settings: Settings, at: str, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    away = replace(settings, redis_url=NOWHERE)
    RealLog(settings).close()
    assert produce(environ(away, at, spool)) == -signal.SIGKILL
    assert produce(environ(settings, spool=spool)) == 0
    check(settings)


@pytest.mark.parametrize("at", DRAIN)
def test_a_producer_dies_while_it_drains_the_spool(
    settings: Settings, at: str, tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    away = replace(settings, redis_url=NOWHERE)
    RealLog(settings).close()
    assert produce(environ(away, spool=spool)) == 0
    assert produce(environ(settings, at, spool)) == -signal.SIGKILL
    assert produce(environ(settings, spool=spool)) == 0
    check(settings)
