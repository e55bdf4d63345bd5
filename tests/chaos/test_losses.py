"""What Redis had acknowledged and lost is named: by job, life and versions."""

import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from losing import dumped, lose_the_last
from real_log import RealLog

from checkpoint import CheckpointManager, LogNotReady, Settings
from checkpoint.events.event import EventsLost
from checkpoint.losses import REMEMBERED, Acknowledged
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
        lambda manager: manager.get_resume_point("job"),
        lambda manager: manager.is_completed("job", "c"),
    ],
    ids=["save", "resume", "is_completed"],
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


def test_only_so_many_jobs_are_remembered(settings: Settings) -> None:
    with CheckpointManager(settings) as manager:
        saved = manager.save_many((f"j{number}", "a", {}) for number in range(REMEMBERED + 5))
        known = Acknowledged()
        assert known.note(saved) == []
        assert {one.job for one in known.forget()} == {one.job for one in saved[5:]}


def test_a_log_that_is_closed_again_while_losses_are_named_is_not_ready(
    archived_log: RealLog, caplog: pytest.LogCaptureFixture
) -> None:
    settings = replace(archived_log.settings, timeout=0.3)
    with CheckpointManager(settings) as manager:
        lose_two(archived_log, manager, "job")
        manager._core.log = None  # noqa: SLF001 - as LogNotReady leaves it
        archived_log.client.delete(archived_log.partition_of("job").meta)
        with pytest.raises(LogNotReady):
            manager.save("job", "d", {})
        assert "not on record" in caplog.text
