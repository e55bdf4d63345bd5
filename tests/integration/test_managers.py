"""What both managers promise: one suite, run for the blocking one and for the asyncio one."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from dataclasses import replace as with_changes
from datetime import UTC, datetime
from time import monotonic
from typing import Any

import msgspec
import pytest
from awaited import Awaited
from histories import FILM
from real_log import RealLog, a_snapshotter_runs
from servers import NOWHERE

from checkpoint import AsyncCheckpointManager, CheckpointManager, Pipeline
from checkpoint.events.errors import (
    ArchiveNotConfigured,
    CheckpointError,
    InvalidName,
    InvalidPayload,
    InvalidSettings,
    LogUnavailable,
    NotDurableYet,
    PayloadTooLarge,
    UnknownStage,
    VersionConflict,
)
from checkpoint.events.settings import Settings
from checkpoint.query.pipeline import declared


@pytest.fixture(params=[CheckpointManager, Awaited], ids=["blocking", "asyncio"])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def manager(kind: Any, log: RealLog) -> Iterator[Any]:
    with kind(log.settings, pipeline=FILM) as made:
        yield made


@pytest.fixture
def archived(kind: Any, archived_log: RealLog) -> Iterator[Any]:
    with kind(archived_log.settings, pipeline=FILM) as made:
        yield made


class Clip(msgspec.Struct):
    name: str
    at: datetime


@dataclass
class Point:
    x: float
    y: float


# Saving and loading


def test_what_was_saved_is_loaded(manager: Any) -> None:
    saved = manager.save("j", "cut", {"frames": [1, 2], "ü": "🎬"})
    assert (saved.job, saved.version, saved.repeated) == ("j", 1, False)
    assert saved.incarnation == saved.id
    assert manager.load("j", "cut") == {"frames": [1, 2], "ü": "🎬"}


@pytest.mark.parametrize("data", [None, 0, False, "", [], {}, 1.5, [None]])
def test_any_json_value_is_data(manager: Any, data: Any) -> None:
    manager.save("j", "cut", data)
    assert manager.load("j", "cut") == data
    assert manager.is_completed("j", "cut")


def test_typed_data_comes_back_as_its_type(manager: Any) -> None:
    clip, point = Clip("a", datetime(2026, 1, 2, tzinfo=UTC)), Point(1.5, -0.0)
    manager.save("j", "cut", clip)
    manager.save("j", "mix", point)
    assert manager.load("j", "cut", Clip) == clip
    assert manager.load("j", "mix", type=Point) == point
    assert manager.load("j", "export", Clip) is None
    with pytest.raises(CheckpointError, match="not a"):
        manager.load("j", "mix", Clip)


def test_a_stage_that_was_not_saved_is_none(manager: Any) -> None:
    assert manager.load("never", "cut") is None
    manager.save("j", "cut", 1)
    assert manager.load("j", "mix") is None
    assert not manager.is_completed("j", "mix")


def test_many_are_saved_and_answered_in_order(manager: Any, log: RealLog) -> None:
    items = [(f"job-{n % 7}", FILM.stages[n % 3], {"n": n}) for n in range(40)]
    answers = manager.save_many(items)
    assert [one.job for one in answers] == [job for job, _, _ in items]
    assert log.events() == 40
    for job in {job for job, _, _ in items}:
        assert [one.version for one in answers if one.job == job] == [
            entry.version for entry in log.entries(job)
        ]
    assert manager.load("job-4", FILM.stages[39 % 3]) == {"n": 39}
    assert manager.save_many([]) == []


def test_a_batch_with_one_bad_item_saves_nothing(manager: Any, log: RealLog) -> None:
    for bad in [("j", "cut", float("nan")), ("j", "paint", 1), ("", "cut", 1)]:
        with pytest.raises(CheckpointError):
            manager.save_many([("a", "cut", 1), bad, ("b", "cut", 1)])
    assert log.events() == 0


def test_what_cannot_be_kept_is_refused_before_anything_is_sent(
    manager: Any, kind: Any, log: RealLog
) -> None:
    with pytest.raises(InvalidPayload, match=r"data.x\[1\] is nan"):
        manager.save("j", "cut", {"x": [1, float("nan")]})
    with pytest.raises(InvalidName):
        manager.save("a\0b", "cut", 1)
    with pytest.raises(InvalidName):
        manager.save("j", "cut", 1, key="")
    with (
        kind(with_changes(log.settings, max_payload=10), pipeline=FILM) as small,
        pytest.raises(PayloadTooLarge, match="at most 10"),
    ):
        small.save("j", "cut", "x" * 10)
    assert log.events() == 0


def test_keys_and_expected_versions_are_passed_on(manager: Any) -> None:
    first = manager.save("j", "cut", 1, key="k", expected_version=0)
    again = manager.save("j", "cut", 2, key="k", expected_version=0)
    assert (again.id, again.repeated) == (first.id, True)
    assert manager.load("j", "cut") == 1
    with pytest.raises(VersionConflict):
        manager.save("j", "mix", 1, expected_version=0)


# Stages


def test_an_unknown_stage_is_an_error_that_names_the_stages(manager: Any, log: RealLog) -> None:
    uses: list[Callable[[], Any]] = [
        lambda: manager.save("j", "paint", 1),
        lambda: manager.save_many([("j", "paint", 1)]),
        lambda: manager.load("j", "paint"),
        lambda: manager.is_completed("j", "paint"),
        lambda: manager.record_failure("j", "paint", OSError("x")),
        lambda: manager.atomic_checkpoint("j", "paint").__enter__(),
    ]
    for use in uses:
        with pytest.raises(UnknownStage, match=r"'paint'.*cut, mix, export"):
            use()
    assert log.events() == 0


def test_without_a_pipeline_any_stage_will_do(kind: Any, settings: Settings) -> None:
    with kind(settings) as manager:
        manager.save("j", "second", 2)
        manager.save("j", "first", 1)
        point = manager.get_resume_point("j")
        assert point["stage_data"] == {"second": 2, "first": 1}
        assert (point["resume_from_stage"], point["is_complete"]) == (None, False)


def test_plain_names_are_a_pipeline(kind: Any, settings: Settings) -> None:
    with kind(settings, pipeline=["a", "b"]) as manager:
        manager.save("j", "a", 1)
        assert manager.get_resume_point("j")["resume_from_stage"] == "b"
        with pytest.raises(UnknownStage):
            manager.save("j", "c", 1)


# Resume points and progress


def test_a_resume_point_has_all_that_a_resumed_run_needs(manager: Any) -> None:
    assert manager.get_resume_point("j") is None
    manager.save("j", "mix", {"n": 2})
    manager.save("j", "cut", {"n": 1})
    point = manager.get_resume_point("j")
    assert point == {
        "job_id": "j",
        "resume_from_stage": "export",
        "last_completed_stage": "mix",
        "checkpoint_data": {"n": 2},
        "stage_data": {"cut": {"n": 1}, "mix": {"n": 2}},
        "is_complete": False,
        "source": "log",
    }
    assert list(point["stage_data"]) == ["cut", "mix"]


def test_a_finished_job_is_complete(manager: Any) -> None:
    for stage in FILM.stages:
        manager.save("j", stage, stage)
    point = manager.get_resume_point("j")
    assert (point["is_complete"], point["checkpoint_data"]) == (True, "export")


def test_a_job_that_only_failed_has_nothing_to_resume(manager: Any) -> None:
    manager.record_failure("j", "cut", OSError("no"))
    assert manager.get_resume_point("j") is None
    assert manager.get_job_progress("j")["status"] == "failed"


def test_progress_tells_what_was_done_and_what_failed(manager: Any, log: RealLog) -> None:
    manager.save("j", "cut", 1)
    manager.record_failure("j", "mix", ValueError("first"))
    manager.record_failure("j", "mix", OSError("second \0 \ud800"))
    progress = manager.get_job_progress("j")
    assert progress["completed_stages"] == ["cut"]
    assert progress["last_stage"] == "cut"
    assert progress["version"] == 3
    [checkpoint], [failure] = progress["checkpoints"], progress["failures"]
    entries = log.entries("j")
    assert checkpoint["completed_at"] == entries[0].id.time
    assert checkpoint["expires_at"].timestamp() * 1000 == pytest.approx(entries[2].expires_ms)
    assert (checkpoint["stage"], checkpoint["version"]) == ("cut", 1)
    assert (failure["stage"], failure["attempts"], failure["error"]) == ("mix", 2, "OSError")
    assert failure["message"].startswith("second \ufffd")
    assert failure["failed_at"] == entries[2].id.time


def test_progress_of_what_is_not_there_is_empty(manager: Any) -> None:
    progress = manager.get_job_progress("never")
    assert progress["status"] == "never existed"
    assert progress["completed_stages"] == progress["checkpoints"] == progress["failures"] == []
    assert progress["last_stage"] is None


# Deletion


def test_a_deleted_job_begins_a_new_life_without_the_old_data(manager: Any, log: RealLog) -> None:
    old = manager.save("j", "cut", "old")
    log.project()
    assert manager.delete_job_checkpoints("j") is True
    assert manager.delete_job_checkpoints("j") is False
    assert manager.get_resume_point("j") is None
    assert manager.load("j", "cut") is None
    assert manager.get_job_progress("j")["status"] == "deleted"
    new = manager.save("j", "mix", "new")
    assert (new.version, new.incarnation > old.incarnation) == (1, True)
    assert manager.get_resume_point("j")["stage_data"] == {"mix": "new"}
    log.project()
    assert manager.get_resume_point("j")["stage_data"] == {"mix": "new"}


def test_deleting_what_never_was_is_false_and_leaves_no_trace(manager: Any, log: RealLog) -> None:
    assert manager.delete_job_checkpoints("never") is False
    assert log.events() == 0


# Atomic checkpoints


def test_an_atomic_checkpoint_saves_at_the_end_of_the_block(manager: Any) -> None:
    with manager.atomic_checkpoint("j", "cut") as data:
        data["frames"] = 5
        assert not manager.is_completed("j", "cut")
    assert manager.load("j", "cut") == {"frames": 5}


@pytest.mark.parametrize("error", [ValueError("wrong"), OSError("disk full")])
def test_a_block_that_raises_saves_nothing_and_the_failure_is_recorded(
    manager: Any, error: BaseException
) -> None:
    def edit() -> None:
        with manager.atomic_checkpoint("j", "cut") as data:
            data["frames"] = 5
            raise error

    with pytest.raises(type(error)) as raised:
        edit()
    assert raised.value is error
    assert not manager.is_completed("j", "cut")
    [failure] = manager.get_job_progress("j")["failures"]
    assert (failure["stage"], failure["error"]) == ("cut", type(error).__name__)
    assert failure["message"] == str(error)


def test_the_blocks_own_error_goes_on_even_if_it_cannot_be_recorded(
    kind: Any, settings: Settings
) -> None:
    gone = with_changes(settings, redis_url=NOWHERE, timeout=0.2)
    with (
        kind(gone, pipeline=FILM) as manager,
        pytest.raises(ValueError, match="wrong") as raised,
        manager.atomic_checkpoint("j", "cut"),
    ):
        raise ValueError("wrong")
    assert "could not be recorded" in raised.value.__notes__[0]


def test_a_stage_that_failed_and_then_succeeded_is_completed(manager: Any) -> None:
    with pytest.raises(OSError, match="disk"), manager.atomic_checkpoint("j", "cut"):
        raise OSError("disk")
    with manager.atomic_checkpoint("j", "cut") as data:
        data["ok"] = True
    progress = manager.get_job_progress("j")
    assert progress["completed_stages"] == ["cut"]
    assert progress["failures"][0]["attempts"] == 1


# Acknowledgements


def test_a_save_waits_for_the_log_or_for_its_disk(manager: Any, log: RealLog) -> None:
    manager.save("j", "cut", 1, ack="log")
    manager.save("j", "mix", 2, ack="synced")
    manager.save_many([("j", "export", 3), ("k", "cut", 4)], ack="synced")
    assert log.events() == 4


def test_a_durable_save_is_in_the_archive_when_it_returns(
    archived: Any, archived_log: RealLog
) -> None:
    archive = archived_log.archive()
    with a_snapshotter_runs(archived_log):
        for n in range(3):
            saved = archived.save("j", "cut", n, ack="durable")
            assert archive.job_entries("j")[0][-1].id == saved.id
        answers = archived.save_many([(f"k{n}", "cut", n) for n in range(10)], ack="durable")
        for one in answers:
            assert archive.job_entries(one.job)[0][-1].id == one.id
    archive.close()


def test_a_save_that_is_not_durable_in_time_is_in_the_log_and_can_be_waited_for(
    kind: Any, archived_log: RealLog
) -> None:
    impatient = with_changes(archived_log.settings, timeout=1.0)
    with kind(impatient, pipeline=FILM) as manager:
        with pytest.raises(NotDurableYet) as late:
            manager.save("j", "cut", 1, ack="durable")
        [entry] = archived_log.entries("j")
        assert str(entry.id) in str(late.value)
        assert manager.load("j", "cut") == 1
    with kind(archived_log.settings, pipeline=FILM) as patient:
        saved = patient.save("j", "mix", 2)
        with a_snapshotter_runs(archived_log):
            patient.wait_until_durable(saved)
    archive = archived_log.archive()
    assert [one.id for one in archive.job_entries("j")[0]] == [entry.id, saved.id]
    archive.close()


def test_durable_without_an_archive_is_refused_before_anything_is_sent(
    manager: Any, log: RealLog
) -> None:
    with pytest.raises(ArchiveNotConfigured):
        manager.save("j", "cut", 1, ack="durable")
    assert log.events() == 0


def test_an_ack_that_is_none_is_refused_before_anything_is_sent(manager: Any, log: RealLog) -> None:
    with pytest.raises(InvalidSettings, match="log, synced, durable"):
        manager.save("j", "cut", 1, ack="maybe")
    assert log.events() == 0


def test_the_default_ack_is_a_setting(kind: Any, archived_log: RealLog) -> None:
    durable = with_changes(archived_log.settings, ack="durable", timeout=1.0)
    with kind(durable, pipeline=FILM) as manager:
        with pytest.raises(NotDurableYet):
            manager.save("j", "cut", 1)
        manager.save("j", "mix", 1, ack="log")


# Several pipelines, time to live


def test_a_manager_of_another_pipeline_works_over_the_same_connections(manager: Any) -> None:
    other = getattr(manager, "manager", manager).for_pipeline(Pipeline("book", ("write",)))
    assert other._servers is getattr(manager, "manager", manager)._servers  # noqa: SLF001 - the point
    with pytest.raises(UnknownStage, match="write"):
        other._core.pipeline.check("cut")  # noqa: SLF001 - without a call to await
    assert manager.save("j", "cut", 1).version == 1


def test_every_event_carries_the_time_to_live_of_the_settings(
    kind: Any, settings: Settings, log: RealLog
) -> None:
    with kind(with_changes(settings, ttl=12.5), pipeline=FILM) as manager:
        manager.save("j", "cut", 1)
        manager.record_failure("j", "mix", OSError())
        manager.delete_job_checkpoints("j")
    assert [entry.event.ttl_ms for entry in log.entries("j")] == [12_500] * 3


def test_both_managers_see_each_others_writes(settings: Settings) -> None:
    with CheckpointManager(settings) as one, Awaited(settings) as two:
        one.save("j", "cut", 1)
        two.save("j", "mix", 2)
        assert one.get_resume_point("j")["stage_data"] == {"cut": 1, "mix": 2}  # type: ignore[index] # it has one
        assert two.get_resume_point("j")["stage_data"] == {"cut": 1, "mix": 2}


def test_secrets_are_in_no_repr_of_a_manager(settings: Settings, kind: Any) -> None:
    url = settings.redis_url.replace("://", "://user:hunter2@", 1)
    with kind(with_changes(settings, redis_url=url), pipeline=FILM) as manager:
        assert "hunter2" not in repr(manager)
        assert "hunter2" not in repr(getattr(manager, "manager", manager)._core)  # noqa: SLF001


@pytest.mark.parametrize("turns", range(0, 30, 3))
def test_a_cancelled_call_of_the_asyncio_manager_is_cancelled(
    settings: Settings, turns: int
) -> None:
    """However far it had come; redis-py may swallow what it is told."""

    async def cancel() -> None:
        manager = AsyncCheckpointManager(settings)
        await manager.save("j", "cut", 1)
        for warm in range(3):
            call = asyncio.create_task(manager.save("j", f"s{warm}", 1))
            for _ in range(turns):
                await asyncio.sleep(0)
            if call.cancel():
                with pytest.raises(asyncio.CancelledError):
                    await call
        await manager.close()

    asyncio.run(cancel())


def test_what_a_manager_declares_is_on_record(settings: Settings, log: RealLog) -> None:
    with CheckpointManager(settings, pipeline=["a", "b"]) as manager:
        manager.save("job", "a", 1)
        manager.for_pipeline(FILM).save("movie", "cut", 1)
        name = manager.get_job_progress("job")["pipeline"]
    found = log.run(declared(settings.namespace))
    assert found == {name: Pipeline(name, ("a", "b")), "film": FILM}


def test_how_long_a_stage_took_is_in_its_event(manager: Any) -> None:
    manager.save("job", "cut", 1, took=1.5)
    with manager.atomic_checkpoint("job", "mix"):
        pass
    with pytest.raises(KeyError), manager.atomic_checkpoint("job", "export"):
        raise KeyError
    took = [one["event"]["took_ms"] for one in manager.get_job_history("job")]
    assert took[0] == 1500
    assert all(one >= 1 for one in took)
    with pytest.raises(InvalidSettings, match="took=-1"):
        manager.save("job", "cut", 1, took=-1)


def test_a_call_has_a_deadline_of_its_own_where_the_caller_sets_one(
    kind: Any, settings: Settings
) -> None:
    away = with_changes(settings, redis_url=NOWHERE, timeout=60.0)
    with kind(away) as manager:
        hasty = getattr(manager, "manager", manager).within(0.2)
        assert hasty._core.settings.timeout == 0.2  # noqa: SLF001 - the asyncio one is not awaited
        with pytest.raises(InvalidSettings, match="timeout=0"):
            getattr(manager, "manager", manager).within(0)
    with CheckpointManager(away) as manager, manager.within(0.2) as hasty:
        begun = monotonic()
        with pytest.raises(LogUnavailable):
            hasty.save("j", "cut", 1)
        assert monotonic() - begun < 30
