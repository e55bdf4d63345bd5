"""Redis away, and a spool at hand: nothing is lost, nothing comes twice, nothing overtakes."""

import asyncio
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from awaited import Awaited
from losing_proxy import losing_proxy
from real_log import RealLog, a_snapshotter_runs

from checkpoint import (
    AsyncCheckpointManager,
    CheckpointManager,
    InvalidPayload,
    JobClaimed,
    LogNotReady,
    LogUnavailable,
    Settings,
    SpooledEventRefused,
    SpoolUnavailable,
    StaleClaim,
    UnknownStage,
)
from checkpoint.embedded import Valkey
from checkpoint.events.event import StageCompleted, StageFailed
from checkpoint.spool import Spool

STAGES = ["a", "b", "c", "d"]


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    with Valkey(tmp_path / "valkey") as server:
        yield server


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.db"


@pytest.fixture
def settings(valkey: Valkey) -> Settings:
    return Settings(redis_url=valkey.url, partitions=2, timeout=0.3)


@pytest.fixture(params=[CheckpointManager, Awaited], ids=["blocking", "asyncio"])
def manager(request: pytest.FixtureRequest, settings: Settings, path: Path) -> Iterator[Any]:
    with request.param(settings, pipeline=STAGES, spool=path) as manager:
        yield manager


@contextmanager
def away(valkey: Valkey) -> Iterator[None]:
    """Stop Redis as long as the block runs."""
    valkey.stop()
    try:
        yield
    finally:
        valkey.start()


def stages(settings: Settings, job: str = "job") -> list[str]:
    """Return the stages that the log has of a job, in order."""
    log = RealLog(settings)
    events = [one.event for one in log.entries(job)]
    log.close()
    return [one.stage for one in events if isinstance(one, StageCompleted | StageFailed)]


def waiting(path: Path, job: str = "job") -> int:
    return len(Spool(path, "checkpoint").waiting(job))


def test_a_save_is_spooled_and_sent_when_redis_is_back(
    manager: Any, valkey: Valkey, settings: Settings, path: Path
) -> None:
    manager.save("job", "a", {"x": 1})
    with away(valkey):
        spooled = manager.save("job", "b", {"x": 2})
        assert spooled.spooled
        assert (spooled.version, str(spooled.id)) == (0, "0-0")
        assert manager.save("job", "c", {"x": 3}).spooled > spooled.spooled
    appended = manager.save("job", "d", {"x": 4})
    assert (appended.version, appended.spooled) == (4, 0)
    assert stages(settings) == STAGES
    assert waiting(path) == 0


def test_a_lookup_sends_what_waits(manager: Any, valkey: Valkey, settings: Settings) -> None:
    with away(valkey):
        manager.save_many([("job", "a", 1), ("other", "a", 2), ("job", "b", 3)])
    point = manager.get_resume_point("job")
    assert (point["resume_from_stage"], point["stage_data"]) == ("c", {"a": 1, "b": 3})
    assert point["source"] == "log"
    assert (stages(settings), stages(settings, "other")) == (["a", "b"], ["a"])


def test_the_next_process_sends_what_a_dead_one_left(
    manager: Any, valkey: Valkey, settings: Settings, path: Path
) -> None:
    with away(valkey):
        manager.save("job", "a", {})
    with CheckpointManager(settings, spool=path) as later:
        assert later.is_completed("job", "a")
    assert stages(settings) == ["a"]
    manager.save("job", "b", {})
    assert stages(settings) == ["a", "b"]


def test_lookups_see_what_waits(manager: Any, valkey: Valkey) -> None:
    manager.save("unspooled", "a", {})
    with away(valkey):
        manager.save("job", "a", {"x": 1})
        manager.save("job", "b", {"x": 2})
        manager.record_failure("job", "c", ValueError("broken"))
        point = manager.get_resume_point("job")
        assert point["resume_from_stage"] == "c"
        assert point["checkpoint_data"] == {"x": 2}
        assert point["source"] == "spool"
        assert manager.load("job", "a") == {"x": 1}
        assert manager.is_completed("job", "b")
        progress = manager.get_job_progress("job")
        assert (progress["status"], progress["completed_stages"]) == ("failed", ["a", "b"])
        assert progress["failures"][0]["message"] == "broken"


def test_what_the_spool_cannot_know_is_not_answered(manager: Any, valkey: Valkey) -> None:
    manager.save("job", "a", {})
    manager.save("unspooled", "a", {})
    with away(valkey):
        manager.save("job", "b", {})
        for ask in (
            lambda: manager.is_completed("job", "a"),
            lambda: manager.load("job", "c"),
            lambda: manager.get_resume_point("unspooled"),
            lambda: manager.get_job_history("job"),
        ):
            with pytest.raises(LogUnavailable, match="could not be reached"):
                ask()


def test_a_redis_that_takes_no_more_still_answers(manager: Any, settings: Settings) -> None:
    manager.save("job", "a", 1)
    manager.save("unspooled", "a", 1)
    log = RealLog(settings)
    log.client.config_set("maxmemory", "100kb")
    assert manager.save("job", "b", 2).spooled
    assert manager.get_resume_point("job")["stage_data"] == {"a": 1, "b": 2}
    assert manager.is_completed("unspooled", "a")
    log.client.config_set("maxmemory", "0")
    assert manager.save("job", "c", 3).version == 3
    assert stages(settings) == ["a", "b", "c"]
    log.close()


def test_the_archive_and_the_spool_answer_together(
    valkey: Valkey, settings: Settings, postgres_url: str, path: Path
) -> None:
    archived = replace(settings, postgres_url=postgres_url, timeout=2.0)
    log = RealLog(archived)
    with CheckpointManager(archived, pipeline=STAGES, spool=path) as manager:
        manager.save("job", "a", 1)
        log.store()
        log.close()
        with away(valkey):
            manager.save("job", "b", 2)
            point = manager.get_resume_point("job")
            assert point is not None
            assert point["stage_data"] == {"a": 1, "b": 2}
            assert point["source"] == "spool"
            assert not manager.is_completed("job", "c")
            manager.save("other", "a", {})
            with pytest.raises(LogUnavailable, match="knows nothing of job 'unknown'"):
                manager.get_job_progress("unknown")


@pytest.mark.parametrize("ack", ["synced", "durable"])
def test_what_cannot_be_promised_is_not_spooled(
    valkey: Valkey, settings: Settings, postgres_url: str, path: Path, ack: str
) -> None:
    archived = replace(settings, postgres_url=postgres_url, timeout=2.0)
    with CheckpointManager(archived, spool=path) as manager:
        manager.save("job", "a", {})
        with away(valkey), pytest.raises(LogUnavailable):
            manager.save("job", "b", {}, ack=ack)
        assert waiting(path) == 0
        assert manager.get_job_progress("job")["completed_stages"] == ["a"]


def test_only_the_log_can_answer_deletions_and_claims(
    valkey: Valkey, settings: Settings, path: Path
) -> None:
    with CheckpointManager(settings, spool=path) as manager:
        with away(valkey):
            manager.save("job", "a", {})
            with pytest.raises(LogUnavailable):
                manager.delete_job_checkpoints("job")
            with pytest.raises(LogUnavailable), manager.claim("job"):
                pass
        assert manager.delete_job_checkpoints("job")  # what waited went first
        assert manager.get_resume_point("job") is None


def test_without_a_spool_a_save_fails(valkey: Valkey, settings: Settings) -> None:
    with CheckpointManager(settings) as manager, away(valkey), pytest.raises(LogUnavailable):
        manager.save("job", "a", {})


def test_the_settings_can_name_the_spool(valkey: Valkey, settings: Settings, path: Path) -> None:
    with CheckpointManager(replace(settings, spool=path)) as manager, away(valkey):
        assert manager.save("job", "a", {}).spooled


def test_bad_input_is_refused_at_once(manager: Any, valkey: Valkey, path: Path) -> None:
    with away(valkey):
        with pytest.raises(InvalidPayload):
            manager.save("job", "a", float("nan"))
        with pytest.raises(UnknownStage):
            manager.save("job", "e", {})
    assert waiting(path) == 0


def test_a_key_names_one_event_in_the_spool_and_in_the_log(
    manager: Any, valkey: Valkey, settings: Settings
) -> None:
    first = manager.save("job", "a", 1, key="k")
    with away(valkey):
        manager.save("job", "a", 9, key="k")
        spooled = manager.save("job", "b", 1, key="l")
        again = manager.save("job", "b", 9, key="l")
        assert (again.spooled, again.repeated) == (spooled.spooled, True)
        assert manager.load("job", "b") == 1
    assert manager.get_resume_point("job")["stage_data"] == {"a": 1, "b": 1}
    assert first.version == 1
    assert stages(settings) == ["a", "b"]


def test_a_save_that_lost_only_its_reply_is_in_the_log_once(settings: Settings, path: Path) -> None:
    with losing_proxy(settings.redis_url) as proxy:
        behind = replace(settings, redis_url=proxy.url)
        with CheckpointManager(behind, spool=path) as manager:
            manager.save("job", "a", {})
            proxy.to_lose = 10_000
            assert manager.save("job", "b", {}).spooled
            assert proxy.lost
            proxy.to_lose = 0
            assert stages(settings) == ["a", "b"]
            assert manager.save("job", "c", {}).version == 3
    assert stages(settings) == ["a", "b", "c"]


def test_redis_that_comes_back_within_the_deadline_gets_the_save(
    valkey: Valkey, settings: Settings, path: Path
) -> None:
    patient = replace(settings, timeout=20.0)
    with CheckpointManager(patient, spool=path) as manager:
        with away(valkey):
            CheckpointManager(settings, spool=path).save("job", "a", {})
            results: list[Any] = []
            saving = threading.Thread(
                target=lambda: results.append(manager.save("job", "b", {})), daemon=True
            )
            saving.start()
            time.sleep(0.2)
        saving.join()
        assert [(one.version, one.spooled) for one in results] == [(2, 0)]
    assert stages(settings) == ["a", "b"]


def test_an_empty_spool_is_not_asked(
    manager: Any, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.save("job", "a", {})
    assert path.exists()

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the spool was opened")

    monkeypatch.setattr(sqlite3, "connect", refuse)
    manager.save("job", "b", {})
    assert manager.get_resume_point("job")["resume_from_stage"] == "c"


def test_a_spool_that_cannot_be_used_is_found_before_it_is_needed(
    settings: Settings, valkey: Valkey, tmp_path: Path
) -> None:
    with CheckpointManager(settings, spool=tmp_path / "missing" / "spool.db") as manager:
        with pytest.raises(SpoolUnavailable, match=r"missing/spool\.db cannot be used"):
            manager.save("job", "a", {})
        with away(valkey), pytest.raises(SpoolUnavailable):
            manager.save("job", "a", {})


def test_events_wait_until_a_log_that_was_lost_is_there_again(
    valkey: Valkey, settings: Settings, path: Path
) -> None:
    log = RealLog(settings)
    with CheckpointManager(settings, spool=path) as manager:
        manager.save("job", "a", {})
        with away(valkey):
            manager.save("job", "b", {})
        for number in log.numbers:
            log.client.delete(log.partition(number).meta)
        with pytest.raises(LogNotReady):
            manager.save("job", "c", {})
        assert waiting(path) == 1
    log.close()


# --- what the log refuses ---------------------------------------------------------------------


def refusals(path: Path) -> list[str]:
    return [one.refused or "" for one in Spool(path, "checkpoint").refused()]


def test_what_was_saved_under_a_claim_is_sent_under_it(
    valkey: Valkey, settings: Settings, path: Path
) -> None:
    with CheckpointManager(settings, spool=path) as manager, manager.claim("job") as job:
        with away(valkey):
            assert job.save("a", {}).spooled
        assert job.save("b", {}).version == 3
    assert stages(settings) == ["a", "b"]
    assert refusals(path) == []


def test_a_stale_claim_is_refused_and_set_aside(
    valkey: Valkey, settings: Settings, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        CheckpointManager(settings, spool=path) as manager,
        CheckpointManager(settings) as other,
        manager.claim("job") as job,
    ):
        with away(valkey):
            job.save("a", {})
            manager.save("free", "a", {})
        with other.claim("job", take_over=True) as taken:
            taken.save("b", {})
            with caplog.at_level(logging.WARNING), pytest.raises(StaleClaim):
                job.save("c", {})
    (why,) = refusals(path)
    assert why.startswith("StaleClaim: ")
    assert "The log refused events of 'job' that were spooled" in caplog.text
    assert str(path) in caplog.text
    assert (stages(settings), stages(settings, "free")) == (["b"], ["a"])


def test_a_job_that_was_claimed_meanwhile_refuses_what_waits(
    valkey: Valkey, settings: Settings, path: Path
) -> None:
    with (
        CheckpointManager(settings, spool=path) as manager,
        CheckpointManager(settings) as other,
    ):
        with away(valkey):
            manager.save("job", "a", {})
        with other.claim("job"), pytest.raises(JobClaimed):
            manager.save("job", "b", {})
        assert refusals(path)[0].startswith("JobClaimed: ")
        assert manager.save("job", "c", {}).version == 3
    assert stages(settings) == ["c"]


def test_a_version_that_is_not_met_refuses_all_of_its_call_and_no_other(
    manager: Any, valkey: Valkey, settings: Settings, path: Path
) -> None:
    manager.save("job", "a", {})
    with away(valkey):
        manager.save("job", "b", {}, expected_version=7)
        manager.save("job", "c", {}, expected_version=1)
    assert manager.save("job", "d", {}).version == 3
    assert stages(settings) == ["a", "c", "d"]
    assert refusals(path)[0].startswith("VersionConflict: ")


def test_a_spooled_save_can_be_waited_for(
    valkey: Valkey, settings: Settings, postgres_url: str, path: Path
) -> None:
    archived = replace(settings, postgres_url=postgres_url, timeout=3.0)
    with CheckpointManager(replace(archived, timeout=0.3), spool=path) as hasty:
        hasty.save("job", "a", {})
        with away(valkey):
            good = hasty.save("job", "b", {})
            bad = hasty.save("job", "c", {}, expected_version=9)
            with pytest.raises(LogUnavailable):
                hasty.wait_until_durable(good)
        with CheckpointManager(archived) as other, pytest.raises(LogUnavailable, match="not given"):
            other.wait_until_durable(good)
    log = RealLog(archived)
    with CheckpointManager(archived, spool=path) as manager, a_snapshotter_runs(log):
        manager.wait_until_durable(good)
        archive = log.archive()
        entries, _ = archive.job_entries("job")
        archive.close()
        assert [entry.version for entry in entries] == [1, 2]
        with pytest.raises(SpooledEventRefused, match=rf"VersionConflict.*number {bad.spooled}"):
            manager.wait_until_durable(bad)
    log.close()


# --- killed between two effects ----------------------------------------------------------------

KILLED = """
import os, signal, sys
from pathlib import Path
from checkpoint import CheckpointManager, Settings
from checkpoint.spool import Spool

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

url, path, moment = sys.argv[1:]
settings = Settings(redis_url=url, partitions=2, timeout=0.3)
add = Spool.add
if moment == "after the insert":
    Spool.add = lambda self, requests: (add(self, requests), die())
elif moment == "before the removal":
    Spool.settle = die
manager = CheckpointManager(settings, spool=Path(path))
manager.save("job", "c", {})
"""


def run_killed(settings: Settings, path: Path, moment: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, settings.redis_url, str(path), moment],
        env=os.environ,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL


def test_killed_after_the_insert_before_the_reply(
    valkey: Valkey, settings: Settings, path: Path
) -> None:
    with away(valkey):
        run_killed(settings, path, "after the insert")
    with CheckpointManager(settings, spool=path) as manager:
        manager.save("job", "d", {})
    assert stages(settings) == ["c", "d"]


def test_killed_after_the_script_before_the_removal(
    valkey: Valkey, settings: Settings, path: Path
) -> None:
    with CheckpointManager(settings, spool=path) as manager:
        with away(valkey):
            manager.save_many([("job", "a", {}), ("other", "a", {})])
            manager.save("job", "b", {})
        run_killed(settings, path, "before the removal")
        assert stages(settings) == ["a", "b"]
        assert waiting(path) == 2
        manager.save("job", "d", {})
    assert (stages(settings), stages(settings, "other")) == (["a", "b", "d"], ["a"])
    assert waiting(path) == 0


DRAIN = """
import sys
from pathlib import Path
from checkpoint import CheckpointManager, Settings
url, path = sys.argv[1:]
settings = Settings(redis_url=url, partitions=2, timeout=20.0)
with CheckpointManager(settings, spool=Path(path)) as manager:
    sys.stdin.readline()
    manager.save("job 0", "last", {})
"""


def test_processes_that_drain_at_once_send_each_event_once_and_in_order(
    valkey: Valkey, settings: Settings, path: Path
) -> None:
    quick = replace(settings, timeout=0.001)
    names = [f"stage {number}" for number in range(150)]
    with away(valkey), CheckpointManager(quick, spool=path) as manager:
        for name in names:
            manager.save_many([("job 0", name, {}), ("job 1", name, {})])
    command = [sys.executable, "-c", DRAIN, settings.redis_url, str(path)]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(3)]
    for process in processes:
        assert process.stdin
        process.stdin.write(b"go\n")
        process.stdin.close()
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert stages(settings, "job 0") == [*names, "last", "last", "last"]
    assert stages(settings, "job 1") == names


def test_threads_keep_the_order_of_each_job_while_redis_comes_and_goes(
    valkey: Valkey, settings: Settings, path: Path
) -> None:
    names = [f"stage {number}" for number in range(30)]
    with CheckpointManager(settings, spool=path) as manager:

        def work(job: str) -> None:
            for name in names:
                manager.save(job, name, {})
                time.sleep(0.01)

        threads = [threading.Thread(target=work, args=[f"job {n}"]) for n in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(2):
            time.sleep(0.1)
            with away(valkey):
                time.sleep(0.6)
        for thread in threads:
            thread.join()
        for number in range(4):
            assert manager.get_job_progress(f"job {number}")["completed_stages"] == names
            assert stages(settings, f"job {number}") == names


def test_tasks_keep_the_order_of_each_job_while_redis_comes_and_goes(
    valkey: Valkey, settings: Settings, path: Path
) -> None:
    names = [f"stage {number}" for number in range(30)]

    async def work(manager: AsyncCheckpointManager, job: str) -> None:
        for name in names:
            await manager.save(job, name, {})
            await asyncio.sleep(0.01)

    async def restart() -> None:
        await asyncio.sleep(0.1)
        await asyncio.to_thread(valkey.stop)
        await asyncio.sleep(0.6)
        await asyncio.to_thread(valkey.start)

    async def main() -> None:
        async with AsyncCheckpointManager(settings, spool=path) as manager:
            jobs = [work(manager, f"job {number}") for number in range(4)]
            await asyncio.gather(*jobs, restart())
            await manager.get_resume_point("job 0")

    asyncio.run(main())
    for number in range(4):
        assert stages(settings, f"job {number}") == names


def test_a_cancelled_task_does_not_keep_the_spool_locked(
    valkey: Valkey, settings: Settings, path: Path
) -> None:
    with away(valkey), CheckpointManager(replace(settings, timeout=0.001), spool=path) as manager:
        for number in range(100):
            manager.save("job", f"stage {number}", {})

    async def main() -> None:
        patient = replace(settings, timeout=10.0)
        async with AsyncCheckpointManager(patient, spool=path) as manager:
            for pause in range(10):
                task = asyncio.create_task(manager.save("job", "last", {}))
                await asyncio.sleep(pause / 500)
                task.cancel()
                await asyncio.wait([task])
            await manager.save("job", "the end", {})

    asyncio.run(main())
    found = [one for one in stages(settings) if one != "last"]
    assert found == [*(f"stage {number}" for number in range(100)), "the end"]
