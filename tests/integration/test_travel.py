"""Rewinding and forking, against real servers and those who do something else meanwhile."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from histories import FILM, STAGES
from isolation import remove_namespace
from losing_proxy import losing_proxy
from real_log import RealLog
from servers import NOWHERE

from checkpoint import (
    AsyncCheckpointManager,
    CheckpointError,
    CheckpointManager,
    JobClaimed,
    JobNotLive,
    LogUnavailable,
    Settings,
    StaleClaim,
    UnknownStage,
    VersionConflict,
)
from checkpoint.core import Core
from checkpoint.events.steps import Steps
from checkpoint.projector.fold import NOTHING, fold_all
from checkpoint.query.pipeline import OPEN
from checkpoint.restore import keep_whole
from checkpoint.travel import rewind


@pytest.fixture
def manager(settings: Settings) -> Iterator[CheckpointManager]:
    with CheckpointManager(settings, pipeline=FILM) as manager:
        yield manager


@pytest.fixture
def an_open_manager(settings: Settings) -> Iterator[CheckpointManager]:
    with CheckpointManager(settings) as manager:
        yield manager


def do(manager: CheckpointManager, job: str = "job", stages: tuple[str, ...] = STAGES) -> None:
    for number, stage in enumerate(stages):
        manager.save(job, stage, {"number": number})


def types(manager: CheckpointManager, job: str = "job") -> list[str]:
    return [one["event"]["type"] for one in manager.get_job_history(job)]


def resume(manager: CheckpointManager, job: str = "job") -> Any:
    return manager.get_resume_point(job)


# Rewinding


def test_a_job_resumes_at_the_stage_it_was_rewound_to(
    manager: CheckpointManager, log: RealLog
) -> None:
    do(manager)
    assert manager.rewind("job", "mix") == ["mix", "export"]
    for _ in range(2):
        assert resume(manager)["resume_from_stage"] == "mix"
        assert resume(manager)["stage_data"] == {"cut": {"number": 0}}
        assert not manager.is_completed("job", "mix")
        assert manager.load("job", "export") is None
        log.project()
    manager.save("job", "mix", "again")
    assert manager.load("job", "mix") == "again"
    assert resume(manager)["resume_from_stage"] == "export"
    assert types(manager)[-2:] == ["job_rewound", "stage_completed"]


def test_rewinding_to_the_first_stage_leaves_nothing_to_resume(manager: CheckpointManager) -> None:
    do(manager)
    assert manager.rewind("job", "cut") == list(STAGES)
    assert manager.get_resume_point("job") is None
    assert manager.get_job_progress("job")["status"] == "running"


def test_failures_of_what_is_to_be_done_again_are_over(manager: CheckpointManager) -> None:
    manager.record_failure("job", "cut", OSError("first"))
    do(manager, stages=("cut",))
    manager.record_failure("job", "mix", OSError("second"))
    assert manager.rewind("job", "mix") == ["mix"]
    assert [one["stage"] for one in manager.get_job_progress("job")["failures"]] == ["cut"]


def test_what_was_never_tried_need_not_be_done_again(manager: CheckpointManager) -> None:
    do(manager, stages=("cut",))
    assert manager.rewind("job", "mix") == []
    assert types(manager) == ["stage_completed"]


def test_a_stage_is_done_again_under_the_same_key(manager: CheckpointManager, log: RealLog) -> None:
    manager.save("job", "cut", 1, key="cut")
    manager.save("job", "mix", 1, key="mix")
    assert manager.rewind("job", "mix") == ["mix"]
    log.project()
    assert manager.save("job", "cut", 2, key="cut").repeated
    assert not manager.save("job", "mix", 2, key="mix").repeated
    assert manager.save("job", "mix", 3, key="mix").repeated
    assert resume(manager)["stage_data"] == {"cut": 1, "mix": 2}


def test_a_stage_that_was_saved_under_several_keys_is_done_again_under_each(
    manager: CheckpointManager,
) -> None:
    for key in ("first", "second"):
        manager.save("job", "cut", key, key=key)
    manager.rewind("job", "cut")
    assert not manager.save("job", "cut", "again", key="first").repeated
    assert manager.load("job", "cut") == "again"
    assert not manager.save("job", "cut", "once more", key="second").repeated
    assert manager.save("job", "cut", "too often", key="first").repeated
    assert manager.load("job", "cut") == "once more"


def test_a_rewind_forgets_also_the_keys_of_what_was_saved_meanwhile(
    manager: CheckpointManager, log: RealLog
) -> None:
    manager.save("job", "cut", 1, key="cut")
    do(manager, stages=("mix",))

    def save() -> None:
        manager.save("job", "mix", 2, key="mix")

    assert log.run(meanwhile(rewound(log), save)) == ["mix"]
    assert manager.save("job", "cut", 3, key="cut").repeated
    assert not manager.save("job", "mix", 3, key="mix").repeated


@pytest.fixture
def lossy_manager(archived_log: RealLog) -> Iterator[CheckpointManager]:
    with CheckpointManager(archived_log.settings, pipeline=FILM) as manager:
        yield manager


def lose_redis(log: RealLog) -> None:
    """Archive all, lose Redis, and restore it."""
    log.store()
    remove_namespace(log.settings.redis_url, log.settings.namespace)
    log.run(keep_whole(log.settings.namespace, lambda _: None))


def test_a_restore_does_not_bring_back_what_a_rewind_forgot(
    archived_log: RealLog, lossy_manager: CheckpointManager
) -> None:
    for key in ("first", "second"):
        lossy_manager.save("job", "mix", key, key=key)
    lossy_manager.rewind("job", "mix")
    lossy_manager.save("job", "mix", "again", key="third")
    lose_redis(archived_log)
    assert lossy_manager.save("job", "mix", 4, key="third").repeated
    assert not lossy_manager.save("job", "mix", 5, key="first").repeated
    assert lossy_manager.load("job", "mix") == 5


def test_a_restored_job_can_be_rewound(
    archived_log: RealLog, lossy_manager: CheckpointManager
) -> None:
    lossy_manager.save("job", "cut", 1, key="cut")
    for key in ("first", "second"):
        lossy_manager.save("job", "mix", key, key=key)
    lose_redis(archived_log)
    lossy_manager.rewind("job", "mix")
    assert lossy_manager.save("job", "cut", 2, key="cut").repeated
    assert not lossy_manager.save("job", "mix", 2, key="first").repeated


def test_a_restored_deleted_job_remembers_no_key(
    archived_log: RealLog, lossy_manager: CheckpointManager
) -> None:
    lossy_manager.save("job", "cut", 1, key="cut")
    lossy_manager.delete_job_checkpoints("job")
    lose_redis(archived_log)
    assert not archived_log.client.exists(archived_log.keys("job").requests)
    assert lossy_manager.save("job", "cut", 2, key="cut").version == 1


def test_a_rewind_forgets_keys_even_if_redis_is_lost_after_it(
    archived_log: RealLog, lossy_manager: CheckpointManager
) -> None:
    lossy_manager.save("job", "cut", 1, key="cut")
    lossy_manager.save("job", "mix", 1, key="mix")
    lossy_manager.rewind("job", "mix")
    lose_redis(archived_log)
    assert lossy_manager.save("job", "cut", 2, key="cut").repeated
    assert not lossy_manager.save("job", "mix", 2, key="mix").repeated


def test_the_declared_order_is_known_to_those_who_were_given_none(
    manager: CheckpointManager, an_open_manager: CheckpointManager
) -> None:
    do(manager, stages=("export", "cut", "mix"))
    assert an_open_manager.rewind("job", "mix") == ["mix", "export"]
    with pytest.raises(UnknownStage, match="'sing' is not a stage of 'film'"):
        an_open_manager.rewind("job", "sing")


def test_an_open_pipelines_stages_are_ordered_as_they_were_done(
    an_open_manager: CheckpointManager,
) -> None:
    do(an_open_manager, stages=("b", "a", "c"))
    an_open_manager.save("job", "b", "again")
    an_open_manager.record_failure("job", "d", OSError("no"))
    assert an_open_manager.fork("job", "other", at="a") == ["b", "a"]
    assert an_open_manager.rewind("job", "c") == ["c", "d"]
    with pytest.raises(UnknownStage, match="has not tried the stage 'c': those are b, a"):
        an_open_manager.rewind("job", "c")


def test_a_job_that_is_gone_is_not_rewound(manager: CheckpointManager) -> None:
    with pytest.raises(JobNotLive, match="There is no job 'job'"):
        manager.rewind("job", "cut")
    do(manager)
    manager.delete_job_checkpoints("job")
    with pytest.raises(JobNotLive, match="it was deleted"):
        manager.rewind("job", "cut")


def test_a_rewound_job_lives_as_long_as_it_would_have_after_any_event(settings: Settings) -> None:
    with CheckpointManager(replace(settings, ttl=1e6), pipeline=FILM) as patient:
        do(patient)
    with CheckpointManager(replace(settings, ttl=1.0)) as hasty:
        hasty.rewind("job", "mix")
        hasty.fork("job", "other")
        for job in ("job", "other"):
            (kept,) = hasty.get_job_progress(job)["checkpoints"]
            assert (kept["expires_at"] - kept["completed_at"]).total_seconds() >= 1e6


def test_the_holder_of_a_claim_rewinds_and_nobody_else(manager: CheckpointManager) -> None:
    do(manager)
    with manager.claim("job") as held:
        with pytest.raises(JobClaimed):
            manager.rewind("job", "mix")
        assert held.rewind("export") == ["export"]
        with manager.claim("job", take_over=True), pytest.raises(StaleClaim):
            held.rewind("cut")
    assert manager.rewind("job", "mix") == ["mix"]


def test_a_job_that_goes_on_meanwhile_is_looked_at_anew(
    manager: CheckpointManager, log: RealLog
) -> None:
    do(manager, stages=("cut", "mix"))
    assert log.run(meanwhile(rewound(log), lambda: do(manager, stages=("export",)))) == [
        "mix",
        "export",
    ]
    assert resume(manager)["resume_from_stage"] == "mix"


def test_a_job_that_does_not_stop_going_on_is_left_alone(
    manager: CheckpointManager, log: RealLog
) -> None:
    do(manager, stages=("cut", "mix"))
    again = meanwhile(rewound(log), lambda: do(manager, stages=("mix",)), times=99)
    with pytest.raises(VersionConflict):
        log.run(again)
    assert "job_rewound" not in types(manager)


def test_who_names_a_version_means_that_one(manager: CheckpointManager, log: RealLog) -> None:
    do(manager)
    core = Core(log.settings, FILM)
    with pytest.raises(VersionConflict):
        log.run(rewind(core, "job", "mix", version=2))
    assert log.run(rewind(core, "job", "mix", version=3)) == ["mix", "export"]


def test_another_order_may_be_given(manager: CheckpointManager, log: RealLog) -> None:
    do(manager)
    order = ("export", "mix", "cut")
    assert log.run(rewind(Core(log.settings, OPEN), "job", "mix", order=order)) == ["mix", "cut"]


def rewound(log: RealLog) -> Steps[list[str]]:
    return rewind(Core(log.settings, FILM), "job", "mix")


def meanwhile(steps: Steps[Any], happens: Any, times: int = 1) -> Steps[Any]:
    """Let something happen before each of the first appends of some steps."""
    step = next(steps)
    while True:
        if times and getattr(getattr(step, "script", None), "name", "") == "append":
            times -= 1
            happens()
        try:
            result = yield step
        except CheckpointError as error:
            step = steps.throw(error)
            continue
        try:
            step = steps.send(result)
        except StopIteration as stop:
            return stop.value


# Forking


def test_a_fork_begins_with_the_checkpoints_of_its_source(
    manager: CheckpointManager, log: RealLog
) -> None:
    do(manager)
    manager.record_failure("job", "export", OSError("no"))
    assert manager.fork("job", "other") == list(STAGES)
    assert resume(manager, "other")["stage_data"] == resume(manager)["stage_data"]
    assert resume(manager, "other")["is_complete"]
    assert manager.get_job_progress("other")["failures"] == []
    assert log.read("other").state.source == "job v4"
    assert types(manager, "other") == ["job_forked", *["stage_completed"] * 3]
    assert types(manager) == [*["stage_completed"] * 3, "stage_failed"]


def test_a_fork_may_begin_at_a_stage(manager: CheckpointManager) -> None:
    do(manager)
    assert manager.fork("job", "other", at="mix") == ["cut", "mix"]
    assert resume(manager, "other")["resume_from_stage"] == "export"
    with pytest.raises(UnknownStage, match="has not completed the stage 'export': those are cut"):
        manager.fork("other", "third", at="export")


def test_source_and_fork_go_their_own_ways(manager: CheckpointManager) -> None:
    manager.save("job", "cut", 1, key="same")
    manager.fork("job", "other")
    assert not manager.save("other", "cut", 2, key="same").repeated
    manager.delete_job_checkpoints("job")
    assert manager.load("other", "cut") == 2


def test_a_job_that_lives_is_not_written_over(manager: CheckpointManager) -> None:
    do(manager)
    do(manager, "other", ("cut",))
    with pytest.raises(VersionConflict, match="'other' lives already: delete it first"):
        manager.fork("job", "other")
    with pytest.raises(VersionConflict, match="cannot be forked to itself"):
        manager.fork("job", "job")
    manager.delete_job_checkpoints("other")
    assert manager.fork("job", "other") == list(STAGES)


def test_only_one_of_those_who_fork_at_once_does(manager: CheckpointManager) -> None:
    do(manager)

    def attempt(_: int) -> bool:
        try:
            return bool(manager.fork("job", "other"))
        except VersionConflict:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 1
    assert len(types(manager, "other")) == 4


@pytest.mark.parametrize("stages", [3, 200])
def test_a_lost_reply_makes_one_fork_however_many_events_it_has(
    settings: Settings, log: RealLog, stages: int
) -> None:
    names = tuple(f"stage-{number}" for number in range(stages))
    with losing_proxy(settings.redis_url) as proxy:
        lossy = replace(settings, redis_url=proxy.url)
        with CheckpointManager(settings) as manager, CheckpointManager(lossy) as unlucky:
            manager.save_many(("job", name, {}) for name in names)
            assert unlucky.get_resume_point("other") is None
            real, proxy.to_lose = unlucky._servers.run, 0  # noqa: SLF001 - to lose the append's

            def lose_appends(steps: Any) -> Any:
                def lose() -> None:
                    proxy.to_lose = 1

                return real(meanwhile(steps, lose))

            unlucky._servers.run = lose_appends  # type: ignore[method-assign] # noqa: SLF001
            assert unlucky.fork("job", "other") == list(names)
            assert proxy.lost == 1
            log.project()
            assert len(types(manager, "other")) == stages + 1


def test_while_redis_is_away_nothing_is_spooled(archived_settings: Settings, tmp_path: Any) -> None:
    with closing(RealLog(archived_settings)) as log, CheckpointManager(archived_settings) as ours:
        do(ours)
        log.store()
    away = replace(archived_settings, redis_url=NOWHERE, timeout=2.0, spool=tmp_path / "spool")
    with CheckpointManager(away, pipeline=FILM) as manager:
        with pytest.raises(LogUnavailable):
            manager.rewind("job", "mix")
        with pytest.raises(LogUnavailable):
            manager.fork("job", "other")
        assert resume(manager)["is_complete"]


def test_what_waits_in_a_spool_comes_before_a_rewind(settings: Settings, tmp_path: Any) -> None:
    away = replace(settings, redis_url=NOWHERE, timeout=0.2)
    with CheckpointManager(settings, pipeline=FILM, spool=tmp_path / "spool") as manager:
        do(manager, stages=("cut",))
        with CheckpointManager(away, pipeline=FILM, spool=tmp_path / "spool") as cut_off:
            do(cut_off, stages=("mix",))
        with CheckpointManager(settings, pipeline=FILM, spool=tmp_path / "spool") as back:
            assert back.rewind("job", "cut") == ["cut", "mix"]
        assert manager.get_resume_point("job") is None


def test_the_same_in_asyncio(settings: Settings) -> None:
    async def travel() -> None:
        async with AsyncCheckpointManager(settings, pipeline=FILM) as manager:
            for stage in STAGES:
                await manager.save("job", stage, stage)
            assert await manager.fork("job", "other", at="mix") == ["cut", "mix"]
            assert await manager.rewind("job", "mix") == ["mix", "export"]
            async with manager.claim("other") as held:
                assert await held.rewind("mix") == ["mix"]

    asyncio.run(travel())


def test_view_log_and_archive_fold_to_the_same_after_both(archived_log: RealLog) -> None:
    with CheckpointManager(archived_log.settings, pipeline=FILM) as manager:
        do(manager)
        archived_log.project()
        manager.rewind("job", "export")
        manager.fork("job", "other", at="mix")
        manager.rewind("other", "mix")
        do(manager, "other", ("mix",))
        archived_log.project(2)
        archived_log.store()
    with closing(archived_log.archive()) as archive:
        for job in ("job", "other"):
            folded = archived_log.fold(job)
            assert archived_log.view(job) == folded
            assert fold_all(NOTHING, archive.job_entries(job)[0]) == folded
            assert list(folded.checkpoints) == ["cut", "mix"]
