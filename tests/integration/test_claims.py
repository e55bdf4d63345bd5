"""Claims: one worker at a time, whatever happens to it."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from textwrap import dedent
from typing import Any

import pytest
from processes import environ, eventually
from real_log import RealLog, a_snapshotter_runs

from checkpoint import (
    AsyncCheckpointManager,
    CheckpointError,
    CheckpointManager,
    InvalidSettings,
    JobClaimed,
    LogUnavailable,
    Settings,
    StaleClaim,
    UnsupportedServer,
)
from checkpoint.claim import Claim, renew, take
from checkpoint.core import Core
from checkpoint.events.event import JobRenewed
from checkpoint.restore import keep_whole


@pytest.fixture
def settings(redis_url: str, namespace: str) -> Settings:
    return Settings(redis_url=redis_url, namespace=namespace)


@pytest.fixture
def manager(settings: Settings) -> Iterator[CheckpointManager]:
    with CheckpointManager(settings) as manager:
        yield manager


def types(manager: CheckpointManager, job: str = "job") -> list[str]:
    return [one["event"]["type"] for one in manager.get_job_history(job)]


def test_the_holder_saves_and_nobody_else_does(manager: CheckpointManager) -> None:
    with manager.claim("job", owner="worker-7") as job:
        job.save("a", {"x": 1})
        with pytest.raises(JobClaimed, match="claimed by 'worker-7'") as refused:
            manager.save("job", "b", {})
        assert refused.value.owner == "worker-7"
        assert 0 < refused.value.seconds_left <= 30
        with pytest.raises(JobClaimed):
            manager.delete_job_checkpoints("job")
        manager.save("another", "a", {})
        assert job.load("a") == {"x": 1}
    manager.save("job", "b", {})
    assert types(manager) == ["job_claimed", "stage_completed", "job_released", "stage_completed"]


def test_the_token_is_the_entry_id_of_the_claim(manager: CheckpointManager) -> None:
    with manager.claim("job") as first:
        pass
    with manager.claim("job") as second:
        pass
    ids = [one["id"] for one in manager.get_job_history("job")]
    assert [first.token, second.token] == [ids[0], ids[2]]


def test_a_job_that_is_held_is_not_waited_for_unless_asked(manager: CheckpointManager) -> None:
    with manager.claim("job"), pytest.raises(JobClaimed), manager.claim("job"):
        pass


def test_waiting_ends_when_the_holder_is_done(manager: CheckpointManager) -> None:
    held, order = threading.Event(), []

    def hold() -> None:
        with manager.claim("job") as job:
            held.set()
            time.sleep(0.2)
            job.save("a", {})
            order.append("first")

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    with manager.claim("job", wait=20.0):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]


def test_waiting_has_a_limit(manager: CheckpointManager) -> None:
    with manager.claim("job"), pytest.raises(JobClaimed), manager.claim("job", wait=0.3):
        pass


def test_whoever_was_taken_over_is_refused(manager: CheckpointManager) -> None:
    with manager.claim("job", owner="old") as old:
        with manager.claim("job", owner="new", take_over=True) as new:
            assert new.token > old.token
            with pytest.raises(StaleClaim, match=new.token):
                old.save("a", {})
            new.save("a", {"by": "new"})
        with pytest.raises(StaleClaim):
            old.save("a", {"by": "old"})
    assert manager.load("job", "a") == {"by": "new"}
    assert types(manager).count("job_released") == 1


def test_the_lease_renews_itself_while_the_block_runs(manager: CheckpointManager) -> None:
    with manager.claim("job", lease=1.0) as job:
        time.sleep(2.5)
        assert job.is_held
        job.save("a", {})


def test_a_lease_that_ran_out_is_the_end_even_if_nobody_took_the_job(
    manager: CheckpointManager,
) -> None:
    with manager.claim("job", lease=0.2) as job:
        job._stopped.set()  # noqa: SLF001 - as if the renewer were stuck
        time.sleep(0.3)
        with pytest.raises(StaleClaim, match="lease ran out"):
            job.save("a", {})
    manager.save("job", "a", {})


def test_a_deleted_job_is_nobodys(manager: CheckpointManager) -> None:
    with manager.claim("job") as job:
        job.save("a", {})
        assert job.delete_checkpoints()
        with pytest.raises(StaleClaim):
            job.save("b", {})
    manager.save("job", "a", {})


def test_a_failure_in_the_block_is_recorded_under_the_claim(manager: CheckpointManager) -> None:
    with (
        pytest.raises(ValueError, match="no"),
        manager.claim("job") as job,
        job.atomic_checkpoint("a"),
    ):
        raise ValueError("no")
    assert types(manager) == ["job_claimed", "stage_failed", "job_released"]


@pytest.mark.parametrize("lease", [0.0, -1.0, float("nan"), 1e9])
def test_a_lease_is_checked(manager: CheckpointManager, lease: float) -> None:
    with pytest.raises(InvalidSettings, match="lease"), manager.claim("job", lease=lease):
        pass
    assert types(manager) == []


STOPPED = dedent(
    """
    import sys
    from checkpoint import CheckpointManager, StaleClaim

    manager = CheckpointManager()
    with manager.claim("job", owner="stopped", lease=0.5) as job:
        job.save("a", {"by": "stopped"})
        print("held", flush=True)
        sys.stdin.readline()
        try:
            job.save("b", {"by": "stopped"})
        except StaleClaim:
            print("refused", flush=True)
        else:
            print("accepted", flush=True)
    """
)


@pytest.mark.parametrize("successor", [True, False])
def test_a_worker_that_was_stopped_past_its_lease_is_refused(
    manager: CheckpointManager, settings: Settings, successor: bool
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STOPPED],
        env={**os.environ, **environ(settings)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as worker:
        assert worker.stdout
        assert worker.stdin
        assert worker.stdout.readline() == "held\n"
        worker.send_signal(signal.SIGSTOP)
        if successor:
            with manager.claim("job", owner="successor", wait=20.0) as job:
                job.save("b", {"by": "successor"})
        else:
            eventually(lambda: is_free(manager))
        worker.send_signal(signal.SIGCONT)
        worker.stdin.write("go\n")
        worker.stdin.flush()
        assert worker.stdout.readline() == "refused\n"
    assert manager.load("job", "b") == ({"by": "successor"} if successor else None)


def is_free(manager: CheckpointManager) -> bool:
    try:
        manager.save("job", "probe", {})
    except JobClaimed:
        return False
    return True


def test_asyncio_claims_do_the_same(settings: Settings) -> None:
    async def scenario() -> None:
        async with AsyncCheckpointManager(settings) as manager:
            async with manager.claim("job", lease=0.3) as job:
                await asyncio.sleep(0.6)
                await job.save("a", {"x": 1})
                with pytest.raises(JobClaimed):
                    await manager.save("job", "b", {})
                async with manager.claim("job", take_over=True) as new:
                    with pytest.raises(StaleClaim):
                        await job.save("b", {})
                    async with new.atomic_checkpoint("b") as data:
                        data["x"] = 2
            await manager.save("job", "c", {})
            point = await manager.get_resume_point("job")
            assert point is not None
            assert list(point["stage_data"]) == ["a", "b", "c"]

    asyncio.run(scenario())


@pytest.mark.parametrize("error", [UnsupportedServer(), CheckpointError(), RuntimeError("a bug")])
def test_a_renewer_outlives_every_error(
    manager: CheckpointManager, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    with manager.claim("job", lease=1.0) as job:
        with monkeypatch.context() as broken:
            broken.setattr(CheckpointManager, "renew", raising(error))
            time.sleep(0.5)
        time.sleep(1.0)
        assert job.is_held
        job.save("a", 1)


@pytest.mark.parametrize("error", [LogUnavailable(), RuntimeError("a bug")])
def test_a_lease_that_was_not_renewed_in_time_is_not_believed(
    manager: CheckpointManager, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(CheckpointManager, "renew", raising(error))
    with manager.claim("job", lease=0.5) as job:
        assert job.is_held
        time.sleep(0.6)
        assert not job.is_held
        with pytest.raises(StaleClaim):
            job.save("a", 1)


def raising(error: Exception) -> Any:
    def renew(*_: Any) -> None:
        raise error

    return renew


@pytest.mark.parametrize("error", [UnsupportedServer(), RuntimeError("a bug")])
def test_an_asyncio_renewer_outlives_every_error(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def use() -> None:
        async with (
            AsyncCheckpointManager(settings) as manager,
            manager.claim("job", lease=1.0) as job,
        ):
            with monkeypatch.context() as broken:
                broken.setattr(AsyncCheckpointManager, "renew", raising(error))
                await asyncio.sleep(0.5)
            await asyncio.sleep(1.0)
            assert job.is_held
            await job.save("a", 1)

    asyncio.run(use())


# --- longer than the job's time to live ---------------------------------------------------------


def test_a_held_job_outlives_its_time_to_live_whole(archived_log: RealLog) -> None:
    settings = replace(archived_log.settings, ttl=1.0)
    with CheckpointManager(settings) as manager, a_snapshotter_runs(archived_log):
        with manager.claim("job", lease=0.9) as job:
            job.save("a", {"x": 1})
            time.sleep(2.5)
            assert job.is_held
            assert job.load("a") == {"x": 1}
            saved = job.save("b", {}, ack="durable")
            assert str(saved.incarnation) == job.token
        archived_log.project()
        assert types(manager).count("job_renewed") >= 2
        state = archived_log.fold("job")
        assert list(state.checkpoints) == ["a", "b"]
        assert archived_log.view("job") == state
        expires = archived_log.client.hget(archived_log.keys("job").head, "expires")
        assert int(expires) == state.expires_ms == state.id.ms + 1000


def test_an_asynchronous_holder_keeps_its_job_too(settings: Settings) -> None:
    async def hold() -> list[str]:
        async with (
            AsyncCheckpointManager(replace(settings, ttl=0.5)) as manager,
            manager.claim("job", lease=0.6) as job,
        ):
            await job.save("a", {})
            async with job.atomic_checkpoint("b"):
                await asyncio.sleep(1.5)
            return [str(one) for one in (await manager.get_job_progress("job"))["completed_stages"]]

    assert asyncio.run(hold()) == ["a", "b"]


def test_a_lease_longer_than_the_time_to_live_keeps_the_job_until_it_is_given_back(
    manager: CheckpointManager, settings: Settings
) -> None:
    with CheckpointManager(replace(settings, ttl=0.1)) as hasty:
        with hasty.claim("job", lease=60) as job:
            job.save("a", {})
            time.sleep(0.3)
            assert job.load("a") == {}
            job.save("b", {})
        time.sleep(0.2)
    assert manager.get_job_progress("job")["status"] == "never existed"


def test_a_renewal_adds_an_event_only_where_less_than_half_of_the_time_to_live_is_left(
    log: RealLog,
) -> None:
    claim = Claim("job", "w", lease=0.3)
    core = log.run(take(Core(replace(log.settings, ttl=2.0)), claim, "key"))
    deadline = time.monotonic() + 1.5
    while time.monotonic() < deadline:
        log.run(renew(core, claim))
        time.sleep(0.1)
    claimed, renewed = log.entries("job")
    assert 1000 <= renewed.id.ms - claimed.id.ms < 1400
    assert renewed.event == JobRenewed(job="job", ttl_ms=2000, token=str(claimed.id))


def test_a_renewal_outlives_the_loss_of_redis(archived_log: RealLog) -> None:
    log, claim = archived_log, Claim("job", "w", lease=3.0)
    core = log.run(take(Core(replace(log.settings, ttl=3.0)), claim, "key"))
    with CheckpointManager(log.settings) as manager:
        time.sleep(1.6)
        log.run(renew(core, claim))
        log.store()
        log.client.flushall()
        log.run(keep_whole(log.settings.namespace, print))
        time.sleep(1.6)
        assert manager.get_job_progress("job")["status"] != "expired"
        assert log.fold("job").version == 0  # nothing but the restored view says so


def test_a_claim_that_is_over_is_not_renewed_and_adds_nothing(log: RealLog) -> None:
    claim = Claim("job", "w", lease=0.1)
    core = log.run(take(Core(replace(log.settings, ttl=0.2)), claim, "key"))
    time.sleep(0.15)
    with pytest.raises(StaleClaim):
        log.run(renew(core, claim))
    assert len(log.entries("job")) == 1
