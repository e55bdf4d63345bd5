"""The workers as processes: started by command, killed, stopped, deprived of their servers."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis
from processes import environ as plain_environ
from processes import eventually, running, worker

from checkpoint import CheckpointManager, Settings
from checkpoint.embedded import Postgres
from checkpoint.events.entry_id import EntryId
from checkpoint.events.keys import PartitionKeys
from checkpoint.snapshotter.archive import Archive

STAGES = [f"stage-{number}" for number in range(8)]


@pytest.fixture
def archive(settings: Settings) -> Iterator[Archive]:
    archive = Archive(settings.postgres_url or "", settings.namespace)
    yield archive
    archive.close()


def environ(settings: Settings) -> dict[str, str]:
    return plain_environ(settings, CHECKPOINT_LOG_MARGIN="0.001")


def test_a_port_that_is_taken_is_one_clear_line(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "checkpoint", "worker", "projector"],
            env={**os.environ, **plain_environ(settings, CHECKPOINT_WEB_PORT=port)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == (
        f"Error: CHECKPOINT_WEB_PORT={port}: a worker cannot listen on 127.0.0.1, port {port}: "
        "Address already in use. Give each worker its own port\n"
    )


def save_jobs(manager: CheckpointManager, first: int, last: int) -> None:
    jobs = [f"job-{number}" for number in range(first, last)]
    manager.save_many((job, stage, {"of": job}) for job in jobs for stage in STAGES)


def sources(manager: CheckpointManager, jobs: int) -> set[str]:
    answers = (manager.get_job_progress(f"job-{number}") for number in range(jobs))
    return {f"{answer['source']} {answer['version']}" for answer in answers}


def is_in_view(manager: CheckpointManager, jobs: int) -> bool:
    return sources(manager, jobs) == {f"view {len(STAGES)}"}


def archived(archive: Archive) -> int:
    return sum(len(list(archive.entries(number, EntryId(0, 0)))) for number in range(8))


def test_workers_bring_events_to_view_and_archive_and_stop_on_sigterm(
    settings: Settings, manager: CheckpointManager, archive: Archive
) -> None:
    with (
        worker("projector", environ(settings)) as projector,
        worker("snapshotter", environ(settings)) as snapshotter,
    ):
        save_jobs(manager, 0, 50)
        eventually(lambda: is_in_view(manager, 50))
        eventually(lambda: archived(archive), wanted=lambda rows: rows == 400)
        for process in (projector, snapshotter):
            process.send_signal(signal.SIGTERM)
        assert [projector.wait(20), snapshotter.wait(20)] == [0, 0]


@pytest.mark.parametrize("kind", ["projector", "snapshotter"])
def test_faust_runs_the_workers_too(
    settings: Settings, manager: CheckpointManager, archive: Archive, kind: str
) -> None:
    save_jobs(manager, 0, 3)
    app = f"checkpoint.{kind}.app"
    command = ("-m", "faust", "-A", app, "worker", "--loglevel", "error", "--without-web")
    with running(*command, **environ(settings)):
        if kind == "projector":
            eventually(lambda: is_in_view(manager, 3))
        else:
            eventually(lambda: archived(archive), wanted=lambda rows: rows == 24)


@pytest.mark.parametrize("kind", ["projector", "snapshotter"])
@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP])
def test_a_worker_that_dies_or_hangs_is_replaced_and_nothing_is_lost_or_done_twice(
    settings: Settings, manager: CheckpointManager, archive: Archive, kind: str, blow: int
) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(worker(kind, environ(settings)))
        stack.enter_context(worker(kind, environ(settings)))
        for batch in range(20):
            save_jobs(manager, 10 * batch, 10 * batch + 10)
            if batch == 5:
                if blow == signal.SIGSTOP and kind == "snapshotter":
                    # in the middle of a COPY it would hold its partitions until it goes on
                    eventually(lambda: archived(archive), wanted=lambda rows: rows == 480)
                first.send_signal(blow)
        if kind == "projector":
            eventually(lambda: is_in_view(manager, 200))
        else:
            eventually(lambda: archived(archive), wanted=lambda rows: rows == 1600)
        first.send_signal(signal.SIGCONT)
        save_jobs(manager, 200, 210)
        if kind == "projector":
            eventually(lambda: is_in_view(manager, 210))
        else:
            eventually(lambda: archived(archive), wanted=lambda rows: rows == 1680)


def test_a_postgres_that_is_away_stalls_neither_appends_nor_the_view(
    settings: Settings, tmp_path: Path
) -> None:
    postgres = Postgres(tmp_path / "postgres")
    postgres.start()
    url = postgres.url
    with ExitStack() as stack:
        stack.callback(postgres.stop)
        mine = Settings(
            redis_url=settings.redis_url, postgres_url=url, namespace=settings.namespace
        )
        manager = stack.enter_context(CheckpointManager(mine))
        archive = Archive(url, mine.namespace)
        stack.callback(archive.close)
        for kind in ("projector", "snapshotter"):
            stack.enter_context(worker(kind, environ(mine)))
        save_jobs(manager, 0, 10)
        eventually(lambda: archived(archive), wanted=lambda rows: rows == 80)

        archive.close()
        postgres.stop()
        save_jobs(manager, 10, 20)
        eventually(lambda: is_in_view(manager, 20))

        postgres.start()
        eventually(lambda: archived(archive), wanted=lambda rows: rows == 160)


def test_the_log_is_trimmed_but_never_past_the_watermark(
    settings: Settings, manager: CheckpointManager, archive: Archive
) -> None:
    logs = [PartitionKeys(settings.namespace, number).log for number in range(8)]
    with redis.Redis.from_url(settings.redis_url) as client, ExitStack() as stack:
        stack.enter_context(worker("projector", environ(settings)))
        for start in range(0, 2000, 200):
            save_jobs(manager, start, start + 200)
        eventually(lambda: is_in_view(manager, 2000))
        assert sum(client.xlen(log) for log in logs) == 16_000

        stack.enter_context(worker("snapshotter", environ(settings)))
        eventually(lambda: archived(archive), wanted=lambda rows: rows == 16_000)
        eventually(lambda: sum(client.xlen(log) for log in logs), wanted=lambda left: left < 8000)
        assert is_in_view(manager, 2000)


def test_workers_wait_for_servers_that_come_later(settings: Settings, tmp_path: Path) -> None:
    postgres = Postgres(tmp_path / "postgres")
    postgres.start()
    mine = {**environ(settings), "POSTGRES_URL": postgres.url}
    postgres.stop()
    with running("-m", "checkpoint", "worker", "snapshotter", **mine) as process:
        time.sleep(1)
        assert process.poll() is None
        postgres.start()
        try:
            assert process.stdout
            assert process.stdout.readline().startswith("ready")
        finally:
            process.terminate()
            process.wait(20)
            postgres.stop()


def test_a_snapshotter_without_an_archive_says_so(settings: Settings) -> None:
    mine = {**environ(settings), "POSTGRES_URL": ""}
    with running("-m", "checkpoint", "worker", "snapshotter", **mine) as process:
        assert process.wait(20) == 1
