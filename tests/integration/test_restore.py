"""Redis has lost its data, or the last of it: the archive brings it back."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from shutil import copytree, rmtree

import pytest
import redis
from processes import environ, eventually, worker

from checkpoint import CheckpointManager, LogNotReady, Settings, StaleClaim
from checkpoint import restore as restores
from checkpoint.embedded import Valkey
from checkpoint.events.errors import LogUnavailable
from checkpoint.query.pipeline import archived_pipelines, declared
from checkpoint.restore import keep_whole, restore, restoring
from checkpoint.servers import Servers

STAGES = [f"stage-{number}" for number in range(8)]


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    with Valkey(tmp_path / "valkey") as valkey:
        yield valkey


@pytest.fixture
def settings(valkey: Valkey, postgres_url: str, namespace: str) -> Settings:
    return Settings(redis_url=valkey.url, postgres_url=postgres_url, namespace=namespace)


@pytest.fixture
def manager(settings: Settings) -> Iterator[CheckpointManager]:
    with CheckpointManager(settings) as manager:
        yield manager


@pytest.fixture
def runner(settings: Settings) -> Iterator[Servers]:
    runner = Servers(settings)
    yield runner
    runner.close()


def archive(manager: CheckpointManager, settings: Settings, *jobs: str) -> None:
    """Save all stages of jobs, and wait until the archive has them."""
    with worker("snapshotter", environ(settings)):
        saved = manager.save_many((job, stage, {"of": stage}) for job in jobs for stage in STAGES)
        manager.wait_until_durable(*saved)


def points(manager: CheckpointManager, *jobs: str) -> list[object]:
    found = [manager.get_resume_point(job) for job in jobs]
    return [point and point["stage_data"] for point in found]


def quiet(line: str) -> None:
    assert line


def test_an_emptied_redis_fails_closed_until_it_is_restored(
    valkey: Valkey, manager: CheckpointManager, settings: Settings, runner: Servers
) -> None:
    archive(manager, settings, "a", "b", "gone")
    with worker("snapshotter", environ(settings)):
        with CheckpointManager(replace(settings, ack="durable")) as durable:
            assert durable.delete_job_checkpoints("gone")
        manager.save("keyed", "one", {"n": 1}, key="once", ack="durable")
    before = points(manager, "a", "b")
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()

    for attempt in (
        lambda: manager.save("a", "one", {}),
        lambda: manager.get_resume_point("a"),
        lambda: CheckpointManager(settings).save("new", "one", {}),
    ):
        with pytest.raises(LogNotReady):
            attempt()

    restored = runner.run(restore(settings.namespace, quiet))
    assert sum(one.jobs for one in restored) == 4
    assert points(manager, "a", "b") == before
    assert manager.get_job_progress("gone")["status"] == "deleted"
    assert manager.save("keyed", "one", {"n": 2}, key="once").repeated
    assert manager.save("a", "more", {}).version == len(STAGES) + 1
    assert runner.run(restore(settings.namespace, quiet)) == []


def test_a_snapshotter_restores_by_itself(
    valkey: Valkey, manager: CheckpointManager, settings: Settings
) -> None:
    archive(manager, settings, "a")
    before = points(manager, "a")
    with worker("snapshotter", environ(settings)), worker("projector", environ(settings)):
        with redis.Redis.from_url(valkey.url) as client:
            client.flushall()
        eventually(lambda: points_or_none(manager, "a"), wanted=lambda now: now == before)
        manager.save("a", "more", {"n": 1}, ack="durable")
        eventually(lambda: manager.get_job_progress("a")["source"] == "view")
        assert manager.load("a", "more") == {"n": 1}


def points_or_none(manager: CheckpointManager, *jobs: str) -> list[object] | None:
    try:
        return points(manager, *jobs)
    except (LogNotReady, LogUnavailable):
        return None


def test_a_redis_that_came_back_older_is_not_believed(
    valkey: Valkey, manager: CheckpointManager, settings: Settings, runner: Servers, tmp_path: Path
) -> None:
    archive(manager, settings, "a")
    valkey.stop()
    copytree(tmp_path / "valkey" / "data", tmp_path / "older")
    valkey.start()
    runner.run(keep_whole(settings.namespace, quiet))
    with worker("snapshotter", environ(settings)):
        manager.save("a", "later", {"n": 1}, ack="durable")
        manager.save("b", "later", {"n": 2}, ack="durable")
    valkey.stop()
    rmtree(tmp_path / "valkey" / "data")
    copytree(tmp_path / "older", tmp_path / "valkey" / "data")
    valkey.start()

    with pytest.raises(LogNotReady, match="older"):
        manager.get_resume_point("a")
    with pytest.raises(LogNotReady, match="older"):
        manager.save("a", "stale", {})
    alone = Settings(redis_url=settings.redis_url, namespace=settings.namespace)
    with CheckpointManager(alone) as other, pytest.raises(LogNotReady, match="restarted"):
        other.get_resume_point("a")

    assert runner.run(keep_whole(settings.namespace, quiet))
    assert manager.load("a", "later") == {"n": 1}
    assert manager.load("b", "later") == {"n": 2}
    assert manager.save("a", "next", {}).version == len(STAGES) + 2
    with CheckpointManager(alone) as other:
        assert other.load("a", "later") == {"n": 1}
    with worker("snapshotter", environ(settings)), worker("projector", environ(settings)):
        eventually(lambda: manager.get_job_progress("a")["source"] == "view")


def test_a_claim_does_not_outlive_a_loss(
    valkey: Valkey, manager: CheckpointManager, settings: Settings, runner: Servers
) -> None:
    archive(manager, settings, "a")
    with manager.claim("a") as job:
        with worker("snapshotter", environ(settings)):
            job.save("claimed", {}, ack="durable")
        with redis.Redis.from_url(valkey.url) as client:
            client.flushall()
        runner.run(restore(settings.namespace, quiet))
        with pytest.raises(StaleClaim):
            job.save("more", {})


def test_a_restore_that_was_interrupted_anywhere_is_finished_by_the_next(
    valkey: Valkey,
    manager: CheckpointManager,
    settings: Settings,
    runner: Servers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(restores, "LEASE_MS", 250)
    monkeypatch.setattr(restores, "GATHERING_LEASE_MS", 250)
    archive(manager, settings, "a", "b")
    before = points(manager, "a", "b")
    steps = 0
    finished = False
    with redis.Redis.from_url(valkey.url) as client:
        while not finished:
            client.flushall()
            finished = run_some(runner, settings.namespace, steps)
            assert points_or_none(manager, "a", "b") in (None, before)
            runner.run(restore(settings.namespace, quiet))
            assert points(manager, "a", "b") == before
            steps += 7
    assert steps > 50


def test_of_two_restores_at_once_one_waits_for_the_other(
    valkey: Valkey,
    manager: CheckpointManager,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jobs = [f"job-{number}" for number in range(40)]
    archive(manager, settings, *jobs)
    before = points(manager, *jobs)
    monkeypatch.setattr(restores, "JOBS_AT_ONCE", 1)  # so that each takes many steps
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
    both = threading.Barrier(2)

    def restored(_: int) -> list[int]:
        with closing(Servers(settings)) as servers:
            both.wait()
            return [one.partition for one in servers.run(restore(settings.namespace, quiet))]

    with ThreadPoolExecutor() as threads:
        one, other = threads.map(restored, range(2))
    assert sorted(one + other) == sorted({*one, *other})
    assert points(manager, *jobs) == before


def run_some(runner: Servers, namespace: str, steps: int) -> bool:
    """Carry out so many steps of a restore and abandon it there."""
    left = restoring(namespace, quiet)

    def some() -> Iterator[object]:
        answer: object = None
        for _ in range(steps):
            answer = yield left.send(answer)
        left.close()

    try:
        runner.run(some())  # type: ignore[arg-type] # steps that are cut short
    except RuntimeError:
        return True
    return False


def test_a_log_without_an_archive_is_not_replaced_under_a_running_pipeline(
    valkey: Valkey, namespace: str
) -> None:
    with CheckpointManager(Settings(redis_url=valkey.url, namespace=namespace)) as manager:
        manager.save("a", "one", {})
        with redis.Redis.from_url(valkey.url) as client:
            client.flushall()
        for _ in range(2):
            with pytest.raises(LogNotReady):
                manager.save("a", "two", {})


def test_nor_is_it_replaced_under_a_claim(valkey: Valkey, namespace: str) -> None:
    with CheckpointManager(Settings(redis_url=valkey.url, namespace=namespace)) as manager:
        manager.save("a", "one", {})
        with manager.claim("a") as job, redis.Redis.from_url(valkey.url) as client:
            client.flushall()
            for _ in range(2):
                with pytest.raises(LogNotReady):
                    job.save("two", {})
            assert client.keys() == []


def test_the_archive_keeps_the_pipelines_and_gives_them_back(
    valkey: Valkey, settings: Settings, runner: Servers
) -> None:
    with (
        CheckpointManager(settings, pipeline=["a", "b"]) as manager,
        worker("snapshotter", environ(settings)),
    ):
        manager.save("job", "a", {}, ack="durable")
        (name,) = runner.run(declared(settings.namespace))
        eventually(lambda: runner.run(archived_pipelines()), wanted=lambda known: name in known)
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
    runner.run(restore(settings.namespace, quiet))
    assert runner.run(declared(settings.namespace))[name].stages == ("a", "b")
