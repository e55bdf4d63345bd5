"""Lookups: the right answer whatever is lost, late or away; an honest one where there is none."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import psycopg
import pytest
from histories import FILM, Act, event_of
from processes import eventually
from real_log import RealLog
from servers import NOWHERE

from checkpoint import CheckpointManager
from checkpoint.core import Core
from checkpoint.events.append import Request
from checkpoint.events.errors import ArchiveUnavailable, CheckpointError, LogUnavailable
from checkpoint.events.event import StageCompleted
from checkpoint.events.settings import Settings
from checkpoint.events.steps import AskArchive, Command, Steps
from checkpoint.query.lookup import Answer, Source, Status, look_up, look_up_past
from checkpoint.servers import Servers

NO_POSTGRES = "host=127.0.0.1 port=1"


@pytest.fixture
def manager(log: RealLog) -> Iterator[CheckpointManager]:
    with CheckpointManager(log.settings, pipeline=FILM) as made:
        yield made


@pytest.fixture
def archived(archived_log: RealLog) -> Iterator[CheckpointManager]:
    with CheckpointManager(archived_log.settings, pipeline=FILM) as made:
        yield made


def looking(log: RealLog, job: str = "j", *, past: bool = False) -> Steps[Answer]:
    """Look a job up as the managers do."""
    core = Core(log.settings)
    place = core.place(log.run(core.open()))
    return look_up_past(place, job) if past else look_up(place, job)


def answer(log: RealLog, job: str = "j", *, past: bool = False) -> Answer:
    return log.run(looking(log, job, past=past))


def lose_view(log: RealLog, job: str = "j") -> None:
    assert log.client.delete(log.keys(job).view)


def stages(found: Answer) -> list[str]:
    return list(found.live.checkpoints)


# While all is well


def test_ones_own_writes_are_seen_though_no_projector_runs(
    log: RealLog, manager: CheckpointManager
) -> None:
    manager.save("j", "cut", {"n": 1})
    manager.save("j", "mix", {"n": 2})
    assert (stages(answer(log)), answer(log).source) == (["cut", "mix"], Source.LOG)
    assert manager.load("j", "mix") == {"n": 2}


def test_what_the_view_has_and_what_it_lacks_are_one_answer(
    log: RealLog, manager: CheckpointManager
) -> None:
    manager.save("j", "cut", 1)
    log.project()
    assert answer(log).source is Source.VIEW
    manager.save("j", "mix", 2)
    manager.save("j", "cut", 3)
    found = answer(log)
    assert (stages(found), found.source) == (["cut", "mix"], Source.LOG)
    assert found.state == log.fold("j")
    assert [manager.load("j", stage) for stage in ("cut", "mix")] == [3, 2]
    log.project()
    assert (answer(log).state, answer(log).source) == (log.fold("j"), Source.VIEW)


def test_one_stage_is_loaded_without_the_others(log: RealLog, manager: CheckpointManager) -> None:
    manager.save("j", "cut", {"big": "x" * 10_000})
    manager.save("j", "mix", {"n": 2})
    log.project()
    assert manager.load("j", "mix") == {"n": 2}
    assert manager.load("j", "export") is None
    assert manager.is_completed("j", "cut")
    assert not manager.is_completed("j", "export")


def test_whether_a_stage_is_completed_is_known_without_its_data(
    log: RealLog, manager: CheckpointManager
) -> None:
    manager.save("j", "cut", {"big": "x" * 500_000})
    log.project()
    before = log.client.info("stats")["total_net_output_bytes"]
    assert manager.is_completed("j", "cut")
    assert not manager.is_completed("j", "mix")
    assert log.client.info("stats")["total_net_output_bytes"] - before < 100_000


def test_entries_in_calls_of_their_own_and_many_in_one_call_are_one_answer(
    log: RealLog, manager: CheckpointManager
) -> None:
    for n in range(3):
        manager.save_many([("j", "cut", n), ("k", "cut", n), ("j", "mix", n), ("j", "mix", -n)])
        manager.save("k", "export", n)
        manager.save("j", "export", n)
    for job in "jk":
        assert log.read(job).entries == log.entries(job)


def test_more_entries_than_a_script_holds_at_a_time_are_found_up_to_the_first_that_is_gone(
    log: RealLog,
) -> None:
    log.append(*(Request(StageCompleted(job="j", stage=f"s{n}")) for n in range(2500)))
    entries = log.entries("j")
    assert log.read("j").entries == entries
    log.client.xdel(log.partition_of("j").log, str(entries[1100].id))
    assert not log.read("j").is_complete


@pytest.mark.parametrize(
    "state", [b"nonsense", b"7", b"[]", b"[1,null]", b"[1,[1,2]]", b'["half of a st\xff']
)
def test_a_damaged_view_is_made_up_from_the_log(
    log: RealLog, manager: CheckpointManager, state: bytes
) -> None:
    manager.save("j", "cut", {"n": 1})
    log.project()
    log.client.lset(log.keys("j").view, 1, state)
    assert stages(answer(log)) == ["cut"]
    assert manager.load("j", "cut") == {"n": 1}


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_view_that_lacks_a_stages_data_names_no_other_stages(
    log: RealLog, manager: CheckpointManager, lost: int
) -> None:
    for number, stage in enumerate(FILM.stages, 1):
        manager.save("j", stage, number)
    log.project()
    assert log.client.lrem(log.keys("j").view, 1, str(lost)) == 1
    assert [manager.load("j", stage) for stage in FILM.stages] == [1, 2, 3]


def test_a_view_of_the_old_life_is_not_part_of_the_new_one(
    log: RealLog, manager: CheckpointManager
) -> None:
    manager.save("j", "cut", 1)
    log.project()
    manager.delete_job_checkpoints("j")
    assert (answer(log).status, stages(answer(log))) == (Status.DELETED, [])
    manager.save("j", "mix", 2)
    assert stages(answer(log)) == ["mix"]
    assert manager.load("j", "cut") is None


# The view is lost


def test_a_lost_view_is_made_up_from_the_log(log: RealLog, manager: CheckpointManager) -> None:
    for n in range(40):  # more than the index keeps
        manager.save("j", ("cut", "mix")[n % 2], n)
        manager.save("k", "export", n)
    log.project()
    lose_view(log)
    found = answer(log)
    assert (found.state, found.source) == (log.fold("j"), Source.LOG)
    assert manager.load("j", "mix") == 39
    manager.save("j", "export", "after")
    assert manager.load("j", "export") == "after"


def test_a_lost_view_whose_log_was_trimmed_is_made_up_from_the_archive(
    archived_log: RealLog, archived: CheckpointManager
) -> None:
    for n in range(30):
        archived.save("j", "cut", n)
    archived_log.project()
    archived_log.store()
    state = archived_log.fold("j")
    archived_log.client.xtrim(archived_log.partition_of("j").log, maxlen=3, approximate=False)
    lose_view(archived_log)
    found = answer(archived_log)
    assert (found.state, found.source) == (state, Source.ARCHIVE)
    archived.save("j", "mix", "after")
    assert set(stages(answer(archived_log))) == {"cut", "mix"}


def test_a_lost_view_is_made_up_from_the_log_while_postgres_is_away(
    archived_log: RealLog, archived: CheckpointManager
) -> None:
    for n in range(30):
        archived.save("j", "cut", n)
    assert archived.load("j", "cut") == 29  # the log is known to be whole
    archived_log.project()
    lose_view(archived_log)
    archived.load("j", "cut")  # so that Redis knows the script, as one that kept running does
    away = replace(archived_log.settings, postgres_url=NO_POSTGRES)
    with CheckpointManager(away, pipeline=FILM) as manager:
        assert manager.load("j", "cut") == 29


@pytest.mark.parametrize("missing", [0, 7, 29])
def test_a_lost_view_with_an_entry_missing_is_an_error_and_not_a_wrong_answer(
    log: RealLog, manager: CheckpointManager, missing: int
) -> None:
    for n in range(30):
        manager.save("j", "cut", n)
    log.project()
    lose_view(log)
    log.client.xdel(log.partition_of("j").log, str(log.entries("j")[missing].id))
    with pytest.raises(CheckpointError, match=r"view of job 'j' is lost.*not all entries"):
        manager.load("j", "cut")


def test_a_job_that_goes_on_while_its_lost_view_is_made_up_is_found(log: RealLog) -> None:
    for n in range(20):
        log.append(Request(event_of(Act("complete", "j", "cut", n))))
    log.project()
    servers = Servers(log.settings)
    servers.run(looking(log))  # the log is known to be whole
    lose_view(log)

    def going_on() -> Steps[Answer]:
        steps, result = looking(log), None
        while True:
            try:
                step = steps.send(result)
            except StopIteration as stop:
                found: Answer = stop.value
                return found
            if isinstance(step, Command | AskArchive):
                log.append(Request(event_of(Act("complete", "j", "mix", "meanwhile"))))
            result = yield step

    found = servers.run(going_on())
    servers.close()
    assert found.state.version >= 20
    assert "cut" in stages(found)


def test_a_view_that_was_lost_and_a_job_that_was_deleted(
    log: RealLog, manager: CheckpointManager
) -> None:
    for n in range(30):
        manager.save("j", "cut", n)
    manager.delete_job_checkpoints("j")
    log.project()
    lose_view(log)
    assert answer(log).status is Status.DELETED


# Redis is gone


def test_the_archive_answers_when_redis_is_gone(
    archived_log: RealLog, archived: CheckpointManager
) -> None:
    archived.save("j", "cut", {"n": 1})
    archived.save("j", "mix", {"n": 2})
    archived_log.store()
    gone = replace(archived_log.settings, redis_url=NOWHERE, timeout=1.0)
    with CheckpointManager(gone, pipeline=FILM) as manager:
        point = manager.get_resume_point("j")
        assert point is not None
        assert point["source"] == "archive"
        assert point["stage_data"] == {"cut": {"n": 1}, "mix": {"n": 2}}
        assert point["resume_from_stage"] == "export"
        assert manager.load("j", "cut") == {"n": 1}
        assert manager.get_job_progress("j")["source"] == "archive"
        with pytest.raises(LogUnavailable, match="knows nothing of job 'never'"):
            manager.get_resume_point("never")


def test_without_an_archive_a_redis_that_is_gone_is_log_unavailable(settings: Settings) -> None:
    gone = replace(settings, redis_url=NOWHERE, timeout=1.0)
    with CheckpointManager(gone, pipeline=FILM) as manager:
        for ask in (manager.get_resume_point, manager.get_job_progress):
            with pytest.raises(LogUnavailable):
                ask("j")
        with pytest.raises(LogUnavailable):
            manager.save("j", "cut", 1)


def test_an_archive_that_does_not_answer_in_time_is_given_up(archived_log: RealLog) -> None:
    settings = archived_log.settings
    gone = replace(settings, redis_url=NOWHERE, timeout=2.0)
    assert settings.postgres_url
    with psycopg.connect(settings.postgres_url) as busy, CheckpointManager(gone) as manager:
        busy.execute(f'LOCK TABLE "{settings.namespace}".event')
        with pytest.raises(ArchiveUnavailable, match="deadline"):
            manager.get_resume_point("j")
        busy.rollback()
        with pytest.raises(LogUnavailable, match="knows nothing"):
            manager.get_resume_point("j")


def test_a_redis_that_accepts_and_never_answers_is_given_up(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        with CheckpointManager(replace(settings, redis_url=url, timeout=0.3)) as manager:
            with pytest.raises(LogUnavailable):
                manager.get_resume_point("j")
            with pytest.raises(LogUnavailable):
                manager.save("j", "cut", 1)


# Gone, gone differently, and never there


def test_the_four_statuses_are_told_apart_while_redis_knows(
    log: RealLog, manager: CheckpointManager
) -> None:
    manager.save("live", "cut", 1)
    manager.save("deleted", "cut", 1)
    manager.delete_job_checkpoints("deleted")
    with CheckpointManager(replace(log.settings, ttl=0.2), pipeline=FILM) as brief:
        brief.save("expired", "cut", 1)
    keep(log, "expired")
    found = {job: answer(log, job).status for job in ("live", "deleted", "expired", "never")}
    assert found == {
        "live": Status.LIVE,
        "deleted": Status.DELETED,
        "expired": Status.EXPIRED,
        "never": Status.UNKNOWN,
    }


def test_the_archive_tells_them_apart_when_redis_has_forgotten(
    archived_log: RealLog, archived: CheckpointManager
) -> None:
    with CheckpointManager(replace(archived_log.settings, ttl=0.3), pipeline=FILM) as brief:
        brief.save("expired", "cut", 1)
        brief.save("deleted", "cut", 1)
        brief.delete_job_checkpoints("deleted")
    archived_log.store()
    for job in ("expired", "deleted"):
        eventually(partial(archived_log.client.exists, archived_log.keys(job).head), wanted=nothing)
    statuses = {
        job: archived.get_job_progress(job)["status"] for job in ("expired", "deleted", "never")
    }
    assert statuses == {"expired": "expired", "deleted": "deleted", "never": "never existed"}
    assert archived.get_resume_point("expired") is None


@pytest.mark.parametrize("project", [True, False])
def test_an_expired_job_is_not_served_though_its_keys_remain(
    log: RealLog, *, project: bool
) -> None:
    with CheckpointManager(replace(log.settings, ttl=0.2), pipeline=FILM) as brief:
        brief.save("j", "cut", 1)
        if project:
            log.project()
        keep(log, "j")
        assert brief.get_resume_point("j") is None
        assert brief.load("j", "cut") is None
        assert not brief.is_completed("j", "cut")
        assert brief.get_job_progress("j")["status"] == "expired"
        assert brief.delete_job_checkpoints("j") is False


def nothing(found: int) -> bool:
    return not found


def keep(log: RealLog, job: str) -> None:
    """Keep the keys of a job from expiring, and wait until it has expired."""
    expires: Any = log.client.pexpiretime(log.keys(job).head)
    for key in log.keys(job):
        log.client.persist(key)

    def has_expired() -> bool:
        now: Any = log.client.time()
        return bool(now[0] * 1000 + now[1] // 1000 > expires)

    eventually(has_expired)
    assert log.client.exists(log.keys(job).head)


def test_poison_in_the_log_hides_nothing(log: RealLog, manager: CheckpointManager) -> None:
    manager.save("j", "cut", 1)
    log.client.xadd(log.partition_of("j").log, {"hello": "world"})
    manager.save("j", "mix", 2)
    assert stages(answer(log)) == ["cut", "mix"]
    log.project()
    lose_view(log)
    assert stages(answer(log)) == ["cut", "mix"]
