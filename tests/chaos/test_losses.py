"""What Redis had acknowledged and lost is named: by job, life and versions."""

import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from time import monotonic
from typing import Any

import pytest
from losing import dumped, lose_the_last
from real_log import RealLog

from checkpoint import CheckpointManager, LogNotReady, Settings
from checkpoint.events.append import Appended, AppendedBatch
from checkpoint.events.entry_id import EntryId
from checkpoint.events.event import EventsLost
from checkpoint.losses import REMEMBERED, Acknowledged, name_losses
from checkpoint.restore import restore


def lost_events(manager: CheckpointManager, job: str) -> list[dict[str, Any]]:
    events = [one["event"] for one in manager.get_job_history(job)]
    return [one for one in events if one["type"] == "events_lost"]


def lose_two(log: RealLog, manager: CheckpointManager, *jobs: str) -> list[str]:
    """Save three stages of each job, of which Redis loses the last two; return their lives."""
    first = [manager.save(job, "a", {}) for job in jobs]
    log.store()
    older = dumped(log)
    for job in jobs:
        manager.save(job, "b", {})
        manager.save(job, "c", {})
    lose_the_last(log, older)
    log.run(restore(log.settings.namespace, print))
    return [str(one.incarnation) for one in first]


@pytest.mark.parametrize(
    "touch",
    [
        lambda manager: manager.save("job", "d", {}),
        lambda manager: manager.save_many([("job", stage, {}) for stage in "defg"]),
        lambda manager: manager.get_resume_point("job"),
        lambda manager: manager.is_completed("job", "c"),
    ],
    ids=["save", "save_many", "resume", "is_completed"],
)
def test_the_versions_of_a_job_that_are_missing_are_named(
    archived_log: RealLog,
    touch: Callable[[CheckpointManager], object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with CheckpointManager(archived_log.settings) as manager:
        (life,) = lose_two(archived_log, manager, "job")
        with caplog.at_level(logging.WARNING):
            touch(manager)
            touch(manager)
        (lost,) = lost_events(manager, "job")
        assert (lost["incarnation"], lost["first"], lost["last"]) == (life, 2, 3)
        assert caplog.text.count("versions 2 to 3 of job 'job'") == 1
        assert not manager.is_completed("job", "b")
        archived_log.project()
        archived_log.store()
        assert archived_log.view("job") == archived_log.fold("job")


def test_a_job_that_is_lost_whole_is_named(archived_log: RealLog) -> None:
    with CheckpointManager(archived_log.settings) as manager:
        older = dumped(archived_log)
        saved = [manager.save("job", stage, {}) for stage in "ab"]
        lose_the_last(archived_log, older)
        archived_log.run(restore(archived_log.settings.namespace, print))
        manager.save("job", "a", {})
        (lost,) = lost_events(manager, "job")
        assert (lost["incarnation"], lost["first"], lost["last"]) == (str(saved[0].id), 1, 2)


def test_without_an_archive_too(settings: Settings) -> None:
    log = RealLog(replace(settings, postgres_url=None))
    with closing(log), CheckpointManager(log.settings) as manager:
        manager.save("job", "a", {})
        older = dumped(log)
        manager.save("job", "b", {})
        lose_the_last(log, older)
        manager.save("job", "c", {})
        (lost,) = lost_events(manager, "job")
        assert (lost["first"], lost["last"]) == (2, 2)


def test_the_holder_of_a_claim_names_what_was_lost_under_it(archived_log: RealLog) -> None:
    with CheckpointManager(archived_log.settings) as manager, manager.claim("job") as job:
        job.save("a", {})
        archived_log.store()
        older = dumped(archived_log)
        job.save("b", {})
        manager.save("other", "b", {})
        lose_the_last(archived_log, older)
        archived_log.run(restore(archived_log.settings.namespace, print))
        job.save("c", {})
        (lost,) = lost_events(manager, "job")
        assert (lost["first"], lost["last"]) == (3, 3)


def test_who_finds_the_log_lost_and_restored_looks_at_all_that_it_was_told(
    archived_log: RealLog,
) -> None:
    with CheckpointManager(archived_log.settings) as manager:
        jobs = [f"job-{number}" for number in range(5)]
        lives = lose_two(archived_log, manager, *jobs)
        manager._core.log = None  # noqa: SLF001 - as LogNotReady leaves it
        manager.get_resume_point("job-0")
        for job, life in zip(jobs, lives, strict=True):
            (lost,) = lost_events(manager, job)
            assert (lost["incarnation"], lost["first"], lost["last"]) == (life, 2, 3)


def test_a_new_life_after_a_deletion_or_expiry_is_no_loss(archived_log: RealLog) -> None:
    short = replace(archived_log.settings, ttl=0.001)
    with CheckpointManager(archived_log.settings) as manager, CheckpointManager(short) as brief:
        manager.save("job", "a", {})
        with CheckpointManager(archived_log.settings) as other:
            other.delete_job_checkpoints("job")
        manager.save("job", "a", {})
        brief.save("gone", "a", {})
        brief.save("gone", "a", {})
        brief.get_resume_point("gone")
        assert lost_events(manager, "job") == lost_events(manager, "gone") == []
        assert EventsLost(job="j", incarnation="1-0", first=1, last=1)


def acknowledged(job: str, number: int, version: int = 1, born: int = 1) -> Appended:
    return Appended(job, EntryId(number, 0), version, EntryId(born, 0), repeated=False)


def answer(partition: int, fence_ms: int, *places: Appended) -> AppendedBatch:
    return AppendedBatch(partition, fence_ms, {one.job: [one] for one in places})


def test_only_so_many_jobs_are_remembered() -> None:
    known = Acknowledged()
    told = [acknowledged(f"j{number}", 1) for number in range(REMEMBERED + 5)]
    known.note(answer(0, 0, *told))
    known.suspect_all()
    assert known.take() == told[5:]


def test_an_answer_that_comes_late_is_not_the_last() -> None:
    known = Acknowledged()
    for number in (2, 1):
        known.note(answer(0, 0, acknowledged("job", number, version=number)))
    assert not known.is_doubtful
    known.suspect_all()
    assert [one.version for one in known.take()] == [2]


def test_all_that_came_before_a_loss_is_doubtful_in_that_partition() -> None:
    known = Acknowledged()
    known.note(answer(0, 5, acknowledged("a", 6), acknowledged("b", 7)))
    known.note(answer(1, 5, acknowledged("c", 6)))
    known.note(answer(0, 9, acknowledged("d", 9)))
    assert [one.job for one in known.take()] == ["a", "b"]


def test_who_finds_the_numbers_given_to_another_names_the_loss(archived_log: RealLog) -> None:
    with (
        CheckpointManager(archived_log.settings) as manager,
        CheckpointManager(archived_log.settings) as other,
    ):
        (life,) = lose_two(archived_log, manager, "job")
        for stage in "bcde":
            other.save("job", stage, {})
        manager.save("job", "f", {})
        (lost,) = lost_events(manager, "job")
        assert (lost["incarnation"], lost["first"], lost["last"]) == (life, 2, 3)


def test_naming_losses_keeps_the_deadline(archived_log: RealLog) -> None:
    with CheckpointManager(archived_log.settings) as manager:
        jobs = [f"job-{number}" for number in range(5)]
        lose_two(archived_log, manager, *jobs)
        hasty = manager.within(0.0011)
        hasty._core.acknowledged.suspect_all()  # noqa: SLF001 - as after a reopening
        place = manager._core.place(archived_log.log)  # noqa: SLF001 - what a save does
        archived_log.run(name_losses(hasty._core, place, monotonic()))  # noqa: SLF001
        assert hasty._core.acknowledged.is_doubtful  # noqa: SLF001 - left to the next call
        manager.save(jobs[0], "d", {})
        assert all(len(lost_events(manager, job)) == 1 for job in jobs)
        hasty.close()


def test_a_log_that_is_closed_again_is_not_ready_and_its_losses_are_named_later(
    archived_log: RealLog,
) -> None:
    settings = replace(archived_log.settings, timeout=0.3)
    with CheckpointManager(settings) as manager:
        lose_two(archived_log, manager, "job")
        manager._core.log = None  # noqa: SLF001 - as LogNotReady leaves it
        archived_log.client.delete(archived_log.partition_of("job").meta)
        with pytest.raises(LogNotReady):
            manager.save("job", "d", {})
        assert manager._core.acknowledged.is_doubtful  # noqa: SLF001
