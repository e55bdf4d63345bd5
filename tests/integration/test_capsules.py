"""Capsules from real servers to others: what they hold, and what begins from them."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from histories import FILM, STAGES
from isolation import remove_namespace
from msgspec import Raw
from real_log import RealLog
from servers import NOWHERE

from checkpoint import (
    CheckpointError,
    CheckpointManager,
    JobNotLive,
    LogUnavailable,
    PayloadTooLarge,
    Settings,
    VersionConflict,
)
from checkpoint.capsule import export_job, import_job
from checkpoint.core import Core
from checkpoint.events.append import Request
from checkpoint.events.event import JobDeleted, JobRewound, StageCompleted
from checkpoint.projector.fold import NOTHING, fold_all
from checkpoint.query.capsule import Capsule, read_capsule
from checkpoint.query.lookup import Status, status_of
from checkpoint.query.pipeline import OPEN, declared
from checkpoint.travel import MAX_EVENTS


@pytest.fixture
def manager(archived_settings: Settings) -> Iterator[CheckpointManager]:
    with CheckpointManager(archived_settings, pipeline=FILM) as manager:
        yield manager


@pytest.fixture
def elsewhere(settings: Settings) -> Iterator[RealLog]:
    """Create another log, which knows nothing of the first."""
    other = replace(settings, namespace=f"{settings.namespace}_elsewhere", postgres_url=None)
    with closing(RealLog(other)) as log:
        yield log
    remove_namespace(other.redis_url, other.namespace)


def live_twice(manager: CheckpointManager) -> None:
    """Let the job `job` live, be deleted, and live again with all that can happen."""
    manager.save("job", "cut", "of another life")
    manager.delete_job_checkpoints("job")
    manager.save("job", "cut", {"frames": 1, "größe": 1e23}, key="mine")
    with manager.claim("job") as held:
        held.save("mix", "to be rewound")
        held.rewind("mix")
        held.record_failure("mix", OSError("no"))
        held.save("mix", ["done", None])


def exported(log: RealLog, job: str = "job") -> bytes:
    lines: list[bytes] = []
    count = log.run(export_job(Core(log.settings), job, lines.append))
    assert count == len(lines) - 2
    return b"".join(lines)


def imported(log: RealLog, capsule: Capsule, name: str | None = None) -> list[str]:
    return log.run(import_job(Core(log.settings, OPEN), capsule, name))


def test_a_capsule_holds_every_life_wherever_its_entries_are(
    manager: CheckpointManager, archived_log: RealLog
) -> None:
    manager.save("job", "cut", "of the first life")
    archived_log.store()
    manager.delete_job_checkpoints("job")
    live_twice(manager)
    capsule = read_capsule(exported(archived_log))
    assert capsule.entries == archived_log.entries("job")
    archived_log.store()
    archived_log.client.xtrim(archived_log.partition_of("job").log, maxlen=0)
    assert read_capsule(exported(archived_log)).entries == capsule.entries
    assert capsule.pipeline == FILM
    assert capsule.header.log == archived_log.log.id
    state = fold_all(NOTHING, capsule.entries)
    assert status_of(state, round(capsule.header.exported_at.timestamp() * 1000)) is Status.LIVE


def test_more_entries_than_fit_on_a_page_are_written_page_by_page(archived_log: RealLog) -> None:
    number = archived_log.log.partitions
    archived_log.append(*(Request(StageCompleted(job="job", stage=f"s{n}")) for n in range(700)))
    archived_log.store()
    archived_log.append(*(Request(StageCompleted(job="job", stage=f"t{n}")) for n in range(1500)))
    archived_log.append(*(Request(StageCompleted(job=f"j{n}", stage="s")) for n in range(number)))
    assert len(read_capsule(exported(archived_log)).entries) == 2200


def test_while_redis_is_away_the_archive_is_exported(
    manager: CheckpointManager, archived_log: RealLog
) -> None:
    live_twice(manager)
    archived_log.store()
    away = replace(archived_log.settings, redis_url=NOWHERE, timeout=2.0)
    lines: list[bytes] = []
    archived_log.settings, there = away, archived_log.settings
    archived_log.run(export_job(Core(away), "job", lines.append))
    capsule = read_capsule(b"".join(lines))
    assert capsule.entries == archived_log.entries("job")
    assert (capsule.header.log, capsule.header.stages) == (archived_log.log.id, ())
    archived_log.settings = replace(away, postgres_url=None)
    with pytest.raises(LogUnavailable):
        exported(archived_log)
    archived_log.settings = there


def test_a_job_that_is_not_on_record_makes_no_capsule(archived_log: RealLog) -> None:
    lines: list[bytes] = []
    with pytest.raises(JobNotLive, match="There is no job 'job', and none is on record"):
        archived_log.run(export_job(Core(archived_log.settings), "job", lines.append))
    assert lines == []


def test_a_job_with_an_event_missing_makes_no_capsule(
    manager: CheckpointManager, archived_log: RealLog
) -> None:
    for stage in STAGES:
        saved = manager.save("job", stage, {})
    archived_log.project()
    before = archived_log.entries("job")[-2].id
    archived_log.client.xdel(archived_log.partition_of("job").log, str(before))
    with pytest.raises(CheckpointError, match=f"Entry {saved.id} has version 3, and version 2"):
        exported(archived_log)


def test_no_address_gets_into_a_capsule(manager: CheckpointManager, archived_log: RealLog) -> None:
    live_twice(manager)
    found = exported(archived_log)
    for url in (archived_log.settings.redis_url, archived_log.settings.postgres_url):
        assert url
        assert url.encode() not in found
    assert b"redis" not in found
    assert b"postgres" not in found


def test_a_job_goes_on_elsewhere_as_it_was(
    manager: CheckpointManager, archived_log: RealLog, elsewhere: RealLog
) -> None:
    live_twice(manager)
    capsule = read_capsule(exported(archived_log))
    assert imported(elsewhere, capsule) == ["cut", "mix"]
    elsewhere.project()
    with CheckpointManager(elsewhere.settings) as there:
        here: Any = manager.get_resume_point("job")
        point: Any = there.get_resume_point("job")
        assert point["stage_data"] == here["stage_data"]
        assert [
            (one["attempts"], one["message"]) for one in there.get_job_progress("job")["failures"]
        ] == [(1, "no")]
        types = [one["event"]["type"] for one in there.get_job_history("job")]
        assert types == [
            "job_forked",
            "stage_completed",
            "stage_completed",
            "job_rewound",
            "stage_failed",
            "stage_completed",
        ]
        origin: Any = elsewhere.entries("job")[0].event
        assert (origin.source, origin.log, origin.version) == ("job", capsule.header.log, 7)
        assert not there.save("job", "cut", 2, key="mine").repeated
    assert elsewhere.run(declared(elsewhere.settings.namespace)) == {"film": FILM}
    assert elsewhere.fold("job").source.startswith("job")


def test_what_lives_already_is_not_written_over_but_another_name_will_do(
    manager: CheckpointManager, archived_log: RealLog
) -> None:
    live_twice(manager)
    capsule = read_capsule(exported(archived_log))
    with pytest.raises(VersionConflict, match="'job' lives already"):
        imported(archived_log, capsule)
    assert imported(archived_log, capsule, "other") == ["cut", "mix"]
    origin: Any = archived_log.entries("other")[0].event
    assert (origin.source, origin.log) == ("job", "")
    with pytest.raises(VersionConflict, match="'other' lives already"):
        imported(archived_log, capsule, "other")


def test_a_deleted_job_does_not_go_on(archived_log: RealLog) -> None:
    archived_log.append(Request(StageCompleted(job="job", stage="cut")))
    archived_log.append(Request(JobDeleted(job="job"), kind="delete"))
    capsule = read_capsule(exported(archived_log))
    with pytest.raises(JobNotLive, match="was deleted before it was exported"):
        imported(archived_log, capsule, "other")


def test_a_job_that_expired_since_lives_anew(archived_log: RealLog) -> None:
    archived_log.append(Request(StageCompleted(job="job", stage="cut", ttl_ms=60_000)))
    capsule = read_capsule(exported(archived_log))
    past = [one._replace(id=one.id._replace(ms=1), incarnation=one.id._replace(ms=1))
            for one in capsule.entries]  # fmt: skip
    imported(archived_log, capsule._replace(entries=past), "other")
    state = archived_log.read("other").state
    assert state.expires_ms - state.id.ms == 60_000


def test_a_life_too_long_for_one_call_brings_its_live_checkpoints(
    archived_log: RealLog,
) -> None:
    archived_log.append(
        *(
            Request(StageCompleted(job="job", stage=f"s{n % 7}", data=Raw(b"%d" % n)))
            for n in range(MAX_EVENTS)
        ),
        Request(JobRewound(job="job", stage="s0", stages=("s0",))),
    )
    capsule = read_capsule(exported(archived_log))
    imported(archived_log, capsule, "other")
    state = archived_log.fold("other")
    assert set(state.checkpoints) == {f"s{n}" for n in range(1, 7)}
    assert state.version == 7


def test_a_job_with_too_many_checkpoints_is_refused_whole(archived_log: RealLog) -> None:
    archived_log.append(
        *(Request(StageCompleted(job="job", stage=f"s{n}")) for n in range(MAX_EVENTS))
    )
    capsule = read_capsule(exported(archived_log))
    with pytest.raises(PayloadTooLarge, match="would begin with 10,001 events"):
        imported(archived_log, capsule, "other")
    assert archived_log.entries("other") == []


def test_data_that_this_log_would_not_take_is_refused(
    manager: CheckpointManager, archived_log: RealLog, elsewhere: RealLog
) -> None:
    manager.save("job", "cut", "x" * 2000)
    capsule = read_capsule(exported(archived_log))
    elsewhere.settings = replace(elsewhere.settings, max_payload=1000)
    with pytest.raises(PayloadTooLarge, match="The data of stage 'cut' takes 2,002 bytes"):
        imported(elsewhere, capsule)
