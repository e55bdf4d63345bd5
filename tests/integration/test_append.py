"""The append script on a real Redis: what it promises, under those who would break it."""

import asyncio
import multiprocessing
import random
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, cast

import pytest
import redis
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from losing_proxy import losing_proxy
from msgspec import Raw
from msgspec.structs import replace
from processes import eventually
from real_log import RealLog, projecting

from checkpoint import AsyncCheckpointManager, CheckpointManager
from checkpoint.events.append import Appended, Request
from checkpoint.events.errors import (
    IncarnationEnded,
    JobClaimed,
    LogNotReady,
    LogUnavailable,
    StaleClaim,
    VersionConflict,
)
from checkpoint.events.event import JobClaimed as Claimed
from checkpoint.events.event import JobDeleted, JobReleased, JobRewound, StageCompleted
from checkpoint.events.keys import JobKeys, PartitionKeys
from checkpoint.events.settings import Settings

MINUTE_MS = 60_000


IN_FLIGHT = 64
"""Saves of one job that may wait for their replies at a time, as the guarantees have it."""


def done(job: str, stage: str = "cut", ttl_ms: int = MINUTE_MS, **more: Any) -> Request:
    key = more.get("key", "")
    return Request(StageCompleted(job=job, stage=stage, ttl_ms=ttl_ms, key=key), **more)


def rewind(job: str, *stages: str) -> Request:
    event = JobRewound(job=job, stage=stages[0], stages=stages, ttl_ms=MINUTE_MS)
    return Request(event, kind="rewind")


def known_keys(log: RealLog, job: str) -> set[str]:
    """Return the keys that the log remembers of a job."""
    return {key.decode() for key in log.client.hkeys(log.keys(job).requests)}


def deletion(job: str) -> Request:
    return Request(JobDeleted(job=job, ttl_ms=MINUTE_MS), kind="delete")


def claim(job: str, lease_ms: int = MINUTE_MS, **more: Any) -> Request:
    event = Claimed(job=job, owner="w", lease_ms=lease_ms, ttl_ms=MINUTE_MS)
    return Request(event, **{"kind": "claim", **more})


def one(answers: list[Appended]) -> Appended:
    [answer] = answers
    return answer


def expiries(log: RealLog, job: str) -> set[int]:
    """Return the different times at which the keys of a job expire, of those that there are."""
    times = {cast(int, log.client.pexpiretime(key)) for key in log.keys(job)}
    return times - {-2}


def save_many_times(url: str, namespace: str, job: str, times: int) -> list[int]:
    """Save from a process of its own; return the versions."""
    with CheckpointManager(Settings(redis_url=url, namespace=namespace)) as manager:
        return [manager.save(job, f"stage-{n}", n).version for n in range(times)]


# Versions and incarnations


def test_versions_are_numbered_without_gaps(log: RealLog) -> None:
    answers = [one(log.append(done("j", f"s{n}"))) for n in range(5)]
    answers += log.append(*(done("j", f"t{n}") for n in range(5)))
    assert [answer.version for answer in answers] == list(range(1, 11))
    assert [entry.version for entry in log.entries("j")] == list(range(1, 11))


def test_an_incarnation_is_named_by_its_first_event(log: RealLog) -> None:
    first, second = one(log.append(done("j"))), one(log.append(done("j")))
    assert first.incarnation == second.incarnation == first.id
    assert [entry.incarnation for entry in log.entries("j")] == [first.id, first.id]


def test_jobs_are_numbered_each_for_itself(log: RealLog) -> None:
    answers = log.append(*(done(job) for job in ["a", "b", "a", "c", "b", "a"]))
    by_job = {job: [x.version for x in answers if x.job == job] for job in "abc"}
    assert by_job == {"a": [1, 2, 3], "b": [1, 2], "c": [1]}


def test_threads_on_one_job_never_share_a_version(settings: Settings, log: RealLog) -> None:
    with CheckpointManager(settings) as manager, ThreadPoolExecutor(8) as threads:
        versions = list(threads.map(lambda n: manager.save("j", f"s{n}", n).version, range(200)))
    assert sorted(versions) == list(range(1, 201))
    assert [entry.version for entry in log.entries("j")] == list(range(1, 201))


def test_processes_on_one_job_never_share_a_version(settings: Settings, log: RealLog) -> None:
    spawn = multiprocessing.get_context("spawn")
    arguments = (settings.redis_url, settings.namespace, "j", 50)
    with ProcessPoolExecutor(3, mp_context=spawn) as processes:
        answers = [processes.submit(save_many_times, *arguments) for _ in range(3)]
        versions = [version for answer in answers for version in answer.result()]
    assert sorted(versions) == list(range(1, 151))
    assert [entry.version for entry in log.entries("j")] == list(range(1, 151))


def test_deletion_ends_the_incarnation_and_the_next_event_begins_another(log: RealLog) -> None:
    first = one(log.append(done("j")))
    ended = one(log.append(deletion("j")))
    anew = one(log.append(done("j")))
    assert (ended.version, ended.incarnation) == (2, first.id)
    assert (anew.version, anew.incarnation) == (1, anew.id)


@pytest.mark.parametrize("before", [[], [done("j"), deletion("j")]])
def test_deleting_what_does_not_live_is_refused_and_appends_nothing(
    log: RealLog, before: list[Request]
) -> None:
    for request in before:
        log.append(request)
    events = log.events()
    with pytest.raises(IncarnationEnded):
        log.append(deletion("j"))
    assert log.events() == events


def test_an_event_of_an_ended_incarnation_is_refused(log: RealLog) -> None:
    old = one(log.append(done("j")))
    log.append(deletion("j"))
    with pytest.raises(IncarnationEnded, match="no live checkpoints"):
        log.append(done("j", incarnation=old.incarnation))
    anew = one(log.append(done("j")))
    with pytest.raises(IncarnationEnded, match=f"{anew.id} lives now"):
        log.append(done("j", incarnation=old.incarnation))
    assert one(log.append(done("j", incarnation=anew.id))).version == 2


# Expected versions


def test_an_expected_version_must_be_the_jobs(log: RealLog) -> None:
    assert one(log.append(done("j", expected_version=0))).version == 1
    assert one(log.append(done("j", expected_version=1))).version == 2
    for wrong in (0, 1, 3):
        with pytest.raises(VersionConflict, match="at version 2"):
            log.append(done("j", expected_version=wrong))
    assert log.events() == 2


def test_of_writers_that_expect_the_same_version_one_wins(settings: Settings, log: RealLog) -> None:
    def attempt(number: int) -> bool:
        try:
            manager.save("j", f"s{number}", number, expected_version=0)
        except VersionConflict:
            return False
        return True

    with CheckpointManager(settings) as manager, ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(attempt, range(16))) == 1
    assert log.events() == 1


def test_a_deleted_job_is_at_version_nought(log: RealLog) -> None:
    log.append(done("j"))
    log.append(deletion("j"))
    assert one(log.append(done("j", expected_version=0))).version == 1


# Idempotency


def test_a_key_is_answered_once_and_then_repeated(log: RealLog) -> None:
    first = one(log.append(done("j", "cut", key="k")))
    log.append(done("j", "mix"))
    again = one(log.append(done("j", "cut", key="k")))
    assert again == first._replace(repeated=True)
    assert log.events() == 2


def test_a_repeated_request_is_answered_even_if_its_guards_would_refuse_it_now(
    log: RealLog,
) -> None:
    first = one(log.append(done("j", key="k", expected_version=0)))
    again = one(log.append(done("j", key="k", expected_version=0)))
    assert again.id == first.id


def test_a_key_twice_in_one_batch_is_one_event(log: RealLog) -> None:
    first, second = log.append(done("j", "cut", key="k"), done("j", "mix", key="k"))
    assert not first.repeated
    assert second == first._replace(repeated=True)
    assert log.events() == 1


def test_a_key_is_of_one_job_only(log: RealLog) -> None:
    answers = log.append(done("a", key="k"), done("b", key="k"))
    assert [answer.repeated for answer in answers] == [False, False]


def test_a_key_of_the_old_life_does_not_stop_the_new_one(log: RealLog) -> None:
    log.append(done("j", key="k"))
    log.append(deletion("j"))
    anew = one(log.append(done("j", key="k")))
    assert (anew.repeated, anew.version) == (False, 1)


def test_a_key_of_an_expired_life_does_not_stop_the_new_one(log: RealLog) -> None:
    old = one(log.append(done("j", ttl_ms=200, key="k")))
    persist_through_expiry(log, "j")
    anew = one(log.append(done("j", key="k")))
    assert (anew.repeated, anew.version) == (False, 1)
    assert anew.incarnation != old.incarnation


def test_a_rewind_forgets_every_key_of_its_stages_and_no_other(log: RealLog) -> None:
    log.append(done("j", "cut", key="a"), done("j", "cut", key="b"))
    log.append(done("j", "mix", key="c"), done("j", "export", key="d"), done("i", "cut", key="e"))
    log.append(rewind("j", "cut", "export"))
    assert known_keys(log, "j") == {"c"}
    assert known_keys(log, "i") == {"e"}
    again = log.append(*(done("j", "cut", key=key) for key in "abcd"))
    assert [one.repeated for one in again] == [False, False, True, False]


@pytest.mark.parametrize(
    "stage", ["mix of film", " mix", 'm"i\\x', "ünïcode/🎬", "1-0 1 1-0", "%S+"]
)
def test_a_stage_may_have_any_name_and_its_keys_are_forgotten(log: RealLog, stage: str) -> None:
    first, other = log.append(done("j", stage, key="k"), done("j", f"{stage} mix", key="other"))
    assert one(log.append(done("j", stage, key="k"))) == first._replace(repeated=True)
    log.append(rewind("j", stage))
    assert one(log.append(done("j", stage, key="k"))).version == 4
    assert one(log.append(done("j", key="other"))) == other._replace(repeated=True)


def test_a_rewind_keeps_the_keys_of_which_no_stage_is_known(log: RealLog) -> None:
    made_up = Request(StageCompleted(job="j", stage="cut", ttl_ms=MINUTE_MS), key="made up")
    first, second = log.append(made_up, done("j", "mix", key="old"))
    log.client.hset(log.keys("j").requests, "old", f"{second.id} 2 {second.incarnation}")
    log.append(rewind("j", "cut", "mix"))
    again = log.append(made_up, done("j", "mix", key="old"))
    assert again == [first._replace(repeated=True), second._replace(repeated=True)]


def test_a_rewind_that_is_part_of_a_fork_forgets_nothing(log: RealLog) -> None:
    log.append(done("j", key="k"))
    copied = replace(rewind("j", "cut"), kind="fork", key="made up")
    log.append(copied)
    log.append(rewind("j", "mix", '["cut"]'))  # a name like the list that a rewind hands in
    assert known_keys(log, "j") == {"k", "made up"}
    assert one(log.append(copied)).repeated


def test_a_refused_rewind_forgets_nothing(log: RealLog) -> None:
    log.append(done("j", key="k"))
    log.append(claim("j"))
    with pytest.raises(JobClaimed):
        log.append(rewind("j", "cut"))
    assert known_keys(log, "j") == {"k"}


def test_a_lost_reply_is_found_again_by_the_retry(log: RealLog) -> None:
    call = log.batches(done("j"))
    first = one(log.send(call))
    log.append(done("j", "mix"))
    assert one(log.send(call, again=True)) == first._replace(repeated=True)
    assert log.events() == 2


def test_a_retry_of_what_never_arrived_appends_it(log: RealLog) -> None:
    log.append(done("j", "mix"))
    assert one(log.send(log.batches(done("j")), again=True)).version == 2


def test_a_retried_batch_keeps_its_results_apart(log: RealLog) -> None:
    calls = log.batches(done("a"), done("b"), done("a", "mix"))
    first = log.send(calls)
    again = log.send(calls, again=True)
    assert again == [answer._replace(repeated=True) for answer in first]
    assert log.events() == 3


@pytest.mark.parametrize("is_projected", [False, True])
def test_a_retried_batch_is_recognised_however_many_events_a_job_has_in_it(
    log: RealLog, *, is_projected: bool
) -> None:
    log.append(done("j", "first"))
    calls = log.batches(*(done("j", f"s{n}") for n in range(3000)))
    first = log.send(calls)
    log.append(*(done("j", f"t{n}") for n in range(10)))
    if is_projected:
        log.project()
    assert log.send(calls, again=True) == [answer._replace(repeated=True) for answer in first]
    assert log.events() == 3011


def test_a_retried_batch_tells_apart_what_has_a_key_of_its_own(log: RealLog) -> None:
    log.append(done("j", "cut", key="old"))
    calls = log.batches(
        done("j"),
        done("j", key="old"),
        done("j", key="new"),
        done("j", "mix"),
        done("j", key="new"),
    )
    first = log.send(calls)
    assert [(one.version, one.repeated) for one in first] == [
        (2, False),
        (1, True),
        (3, False),
        (4, False),
        (3, True),
    ]
    assert log.send(calls, again=True) == [answer._replace(repeated=True) for answer in first]
    assert log.events() == 4


def test_what_a_call_appends_to_a_job_has_ids_and_versions_without_gaps(log: RealLog) -> None:
    answers = log.append(*(done(job, f"s{n}") for n in range(700) for job in "abc"))
    for job in "abc":
        ours = [answer for answer in answers if answer.job == job]
        assert [answer.version for answer in ours] == list(range(1, 701))
        assert [entry.id for entry in log.entries(job)] == [answer.id for answer in ours]
        assert {answer.id.seq - answer.version for answer in ours} == {ours[0].id.seq - 1}


def test_a_job_may_end_and_begin_anew_within_a_call(log: RealLog) -> None:
    answers = log.append(done("j"), done("j"), deletion("j"), done("j", key="k"), done("j"))
    assert [answer.version for answer in answers] == [1, 2, 3, 1, 2]
    assert [answer.incarnation for answer in answers] == [answers[0].id] * 3 + [answers[3].id] * 2
    assert [entry.id for entry in log.entries("j")] == [answer.id for answer in answers]
    assert one(log.append(done("j", expected_version=2))).incarnation == answers[3].id
    assert known_keys(log, "j") == {"k"}


def test_a_retry_is_recognised_after_the_projector_applied_the_event(log: RealLog) -> None:
    call = log.batches(done("j"))
    first = one(log.send(call))
    log.append(*(done("j", f"s{n}") for n in range(10)))
    log.project()
    assert one(log.send(call, again=True)) == first._replace(repeated=True)


def test_all_saves_of_a_job_that_were_in_flight_are_recognised(log: RealLog) -> None:
    calls = [log.batches(done("j", f"s{n}")) for n in range(IN_FLIGHT)]
    first = [one(log.send(call)) for call in calls]
    log.project()
    again = [one(log.send(call, again=True)) for call in calls]
    assert again == [answer._replace(repeated=True) for answer in first]
    assert log.events() == IN_FLIGHT


def test_a_retried_deletion_is_recognised(log: RealLog) -> None:
    log.append(done("j"))
    call = log.batches(deletion("j"))
    first = one(log.send(call))
    assert one(log.send(call, again=True)) == first._replace(repeated=True)


@pytest.mark.parametrize("key", [None, "mine"])
def test_a_save_whose_reply_is_lost_is_one_event(
    settings: Settings, log: RealLog, key: str | None
) -> None:
    with losing_proxy(settings.redis_url) as proxy:
        through = Settings(redis_url=proxy.url, namespace=settings.namespace, timeout=5.0)
        with CheckpointManager(through) as manager:
            manager.save("j", "cut", 1)
            proxy.to_lose = 2
            answer = manager.save("j", "mix", 2, key=key)
        assert proxy.lost == 2
    assert (answer.repeated, answer.version) == (True, 2)
    assert log.events() == 2


def test_a_batch_whose_reply_is_lost_is_not_doubled(settings: Settings, log: RealLog) -> None:
    with losing_proxy(settings.redis_url) as proxy:
        through = Settings(redis_url=proxy.url, namespace=settings.namespace, timeout=5.0)
        with CheckpointManager(through) as manager:
            manager.save("a", "start", 0)
            proxy.to_lose = 1
            answers = manager.save_many([(job, "cut", 1) for job in "abcdab"])
    assert log.events() == 7
    assert [answer.version for answer in answers] == [2, 1, 1, 1, 3, 2]


JOBS = [f"j{number}" for number in range(40)]


def test_a_batch_that_one_partition_refuses_is_appended_to_the_others(
    settings: Settings, log: RealLog
) -> None:
    log.append(claim("j7"))
    refusing = log.partition_of("j7")
    items = [(job, "cut", 1) for job in JOBS]

    async def save() -> None:
        async with AsyncCheckpointManager(settings) as manager:
            await manager.save_many(items)

    with CheckpointManager(settings) as manager, pytest.raises(JobClaimed, match="'j7'"):
        manager.save_many(items)
    with pytest.raises(JobClaimed, match="'j7'"):
        asyncio.run(save())
    versions = {job: log.fold(job).version for job in JOBS if log.partition_of(job) != refusing}
    assert set(versions.values()) == {2}
    assert log.events() == 1 + 2 * len(versions)


def test_a_batch_goes_on_where_redis_has_forgotten_the_script(
    settings: Settings, log: RealLog
) -> None:
    with CheckpointManager(settings) as manager:
        manager.save("j0", "cut", 1)
        log.client.script_flush()
        saved = manager.save_many([(job, "mix", 1) for job in JOBS])
        assert [(one.job, one.repeated) for one in saved] == [(job, False) for job in JOBS]
        assert manager.save_many([]) == []
    assert log.events() == 1 + len(JOBS)


def test_a_deletion_whose_reply_is_lost_still_says_that_it_deleted(
    settings: Settings, log: RealLog
) -> None:
    with losing_proxy(settings.redis_url) as proxy:
        through = Settings(redis_url=proxy.url, namespace=settings.namespace, timeout=5.0)
        with CheckpointManager(through) as manager:
            manager.save("j", "cut", 1)
            proxy.to_lose = 1
            assert manager.delete_job_checkpoints("j") is True
            assert proxy.lost == 1
    assert log.events() == 2


def test_retries_end_with_the_deadline(settings: Settings, log: RealLog) -> None:
    with losing_proxy(settings.redis_url) as proxy:
        through = Settings(redis_url=proxy.url, namespace=settings.namespace, timeout=0.5)
        with CheckpointManager(through) as manager:
            manager.save("j", "cut", 1)
            proxy.to_lose = 10_000
            with pytest.raises(LogUnavailable):
                manager.save("j", "mix", 2)
        assert proxy.lost > 1
    assert log.events() == 2


# All or nothing


@pytest.mark.parametrize(
    ("prepare", "refused", "error"),
    [
        ([done("z")], done("z", expected_version=5), VersionConflict),
        ([], deletion("z"), IncarnationEnded),
        ([claim("z")], done("z"), JobClaimed),
        ([done("z")], done("z", token="1-0"), StaleClaim),
        ([done("z")], done("z", incarnation=None, expected_version=0), VersionConflict),
    ],
)
def test_one_refused_job_keeps_a_whole_batch_out(
    settings: Settings,
    log: RealLog,
    prepare: list[Request],
    refused: Request,
    error: type[Exception],
) -> None:
    single = RealLog(Settings(settings.redis_url, namespace=f"{settings.namespace}b", partitions=1))
    single.append(*prepare)
    before = single.events()
    with pytest.raises(error, match="'z'"):
        single.append(done("a"), done("b"), refused, done("c"))
    assert single.events() == before
    assert [single.fold(job).version for job in "abc"] == [0, 0, 0]
    single.close()


def test_without_a_log_nothing_is_appended(log: RealLog) -> None:
    keys = log.partition_of("j")
    log.client.delete(keys.meta)
    with pytest.raises(LogNotReady):
        log.append(done("j"))
    assert log.client.xlen(keys.log) == log.client.exists(*keys.job("j")) == 0


# Claims


def test_a_claim_is_named_by_its_entry_and_must_be_shown(log: RealLog) -> None:
    token = str(one(log.append(claim("j"))).id)
    with pytest.raises(JobClaimed, match="'w'"):
        log.append(done("j"))
    assert one(log.append(done("j", token=token))).version == 2
    with pytest.raises(JobClaimed):
        log.append(claim("j"))


def test_a_stolen_claim_is_stale_and_a_later_token_is_greater(log: RealLog) -> None:
    first = one(log.append(claim("j")))
    second = one(log.append(claim("j", kind="steal")))
    assert second.id > first.id
    with pytest.raises(StaleClaim, match=str(second.id)):
        log.append(done("j", token=str(first.id)))
    assert log.append(done("j", token=str(second.id)))


def test_a_claim_is_over_when_its_lease_is(log: RealLog) -> None:
    token = str(one(log.append(claim("j", lease_ms=1))).id)
    eventually(lambda: redis_ms(log) > log.entries("j")[0].id.ms + 1)
    with pytest.raises(StaleClaim, match="lease ran out"):
        log.append(done("j", token=token))
    assert log.append(done("j"))


def test_a_released_job_is_free(log: RealLog) -> None:
    token = str(one(log.append(claim("j"))).id)
    release = Request(JobReleased(job="j", token=token), kind="release", token=token)
    log.append(release)
    assert log.append(done("j"))
    with pytest.raises(StaleClaim):
        log.append(done("j", token=token))


def test_a_claim_does_not_outlive_its_incarnation(log: RealLog) -> None:
    token = str(one(log.append(claim("j"))).id)
    log.append(Request(JobDeleted(job="j"), kind="delete", token=token))
    log.append(done("j"))
    with pytest.raises(StaleClaim):
        log.append(done("j", token=token))


# Time to live


def test_every_key_of_a_job_expires_at_the_same_time_after_every_operation(log: RealLog) -> None:
    token = ""

    def check(*requests: Request) -> Appended:
        answer = log.append(*requests)[-1]
        last = log.entries("j")[-1]
        assert expiries(log, "j") == {last.id.ms + last.event.ttl_ms}
        log.project()
        assert expiries(log, "j") == {last.id.ms + last.event.ttl_ms}
        assert log.client.exists(log.keys("j").view)
        return answer

    check(done("j"))
    check(done("j", "mix", key="k"))
    check(done("j", "mix", key="k", ttl_ms=10 * MINUTE_MS))
    check(done("j", "a", ttl_ms=10 * MINUTE_MS), done("j", "b", ttl_ms=3 * MINUTE_MS))
    token = str(check(claim("j")).id)
    check(done("j", token=token))
    check(Request(JobReleased(job="j", token=token), kind="release", token=token))
    check(deletion("j"))
    check(done("j", key="k"))


def test_a_view_that_is_written_late_expires_with_the_later_events(log: RealLog) -> None:
    log.append(done("j", ttl_ms=MINUTE_MS))
    early = log.slice(log.partition_of("j").partition)
    assert early
    log.append(done("j", "mix", ttl_ms=5 * MINUTE_MS))
    with projecting(log.settings) as apply:
        apply(early)
    last = log.entries("j")[-1]
    assert log.client.exists(log.keys("j").view)
    assert expiries(log, "j") == {last.id.ms + 5 * MINUTE_MS}


def test_nothing_is_left_of_an_expired_job(log: RealLog) -> None:
    log.append(done("j", ttl_ms=100, key="k"))
    log.project()
    eventually(lambda: not log.client.exists(*log.keys("j")))


def test_a_view_that_is_written_after_expiry_is_not_kept(log: RealLog) -> None:
    log.append(done("j", ttl_ms=50))
    eventually(lambda: not log.client.exists(log.keys("j").head))
    log.project()
    assert not log.client.exists(*log.keys("j"))


def test_an_expired_job_begins_anew_even_if_its_keys_remain(log: RealLog) -> None:
    old = one(log.append(done("j", ttl_ms=200, key="k")))
    log.project()
    persist_through_expiry(log, "j")
    with pytest.raises(VersionConflict, match="at version 0"):
        log.append(done("j", expected_version=1))
    with pytest.raises(IncarnationEnded):
        log.append(done("j", incarnation=old.incarnation))
    anew = one(log.append(done("j", "mix")))
    assert (anew.version, anew.incarnation) == (1, anew.id)
    log.project()
    assert list(log.view("j").checkpoints) == ["mix"]
    assert len(expiries(log, "j")) == 1


def test_a_claim_of_an_expired_job_holds_nobody_up(log: RealLog) -> None:
    event = Claimed(job="j", owner="w", lease_ms=MINUTE_MS, ttl_ms=200)
    log.append(Request(event, kind="claim"))
    persist_through_expiry(log, "j")
    assert one(log.append(done("j"))).version == 1


# Anything goes as a name


@hypothesis_settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(job=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60))
def test_any_job_name_and_key_go_through_the_script(log: RealLog, job: str) -> None:
    first = one(log.append(done(job, key=job)))
    again = one(log.append(done(job, key=job)))
    assert again.id == first.id
    assert log.fold(job).id >= first.id
    assert log.entries(job)[-1].event.job == job


def test_the_events_bytes_reach_the_log_as_they_are(log: RealLog) -> None:
    data = b'{"n":1e23,"a":"' + b"x" * 900_000 + b'"}'
    log.append(Request(StageCompleted(job="j", stage="cut", data=Raw(data))))
    assert data in log.entries("j")[0].encoded


def persist_through_expiry(log: RealLog, job: str) -> None:
    """Keep the keys of a job from expiring, and wait until it has expired by the clock."""
    expires = max(cast(int, log.client.pexpiretime(log.keys(job).head)), 1)
    for key in log.keys(job):
        log.client.persist(key)
    eventually(lambda: redis_ms(log) > expires)
    assert log.client.exists(log.keys(job).head)


def redis_ms(log: RealLog) -> int:
    seconds, micros = cast(tuple[int, int], log.client.time())
    return seconds * 1000 + micros // 1000


def test_a_pipeline_that_seeds_its_dice_gets_no_key_twice(log: RealLog) -> None:
    random.seed(42)
    log.append(done("j", "cut"))
    random.seed(42)
    calls = log.batches(done("j", "mix"))
    (saved,) = log.send(calls, again=True)  # the first call has never arrived
    assert (saved.version, saved.repeated) == (2, False)


def test_a_new_life_knows_no_keys_of_one_whose_head_was_lost(log: RealLog) -> None:
    log.append(done("j", "cut", key="k"))
    log.client.delete(log.keys("j").head)
    log.append(done("j", "mix"))
    (saved,) = log.append(done("j", "export", key="k"))
    assert (saved.version, saved.repeated) == (2, False)


# --- what fails, fails before anything is written ----------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        lambda client, keys: client.set(keys.requests, "no hash"),
        lambda client, keys: client.set(keys.head, "no hash"),
        lambda client, keys: client.hdel(keys.head, "version"),
        lambda client, keys: client.hset(keys.head, "version", "many"),
        lambda client, keys: client.hdel(keys.head, "expires"),
        lambda client, keys: client.hset(
            keys.head, mapping={"token": "1-0", "owner": "w", "lease": "long"}
        ),
    ],
)
@pytest.mark.parametrize(
    "request_of", [done, lambda job: rewind(job, "cut"), lambda job: done(job, key="mine")]
)
def test_a_damaged_job_keeps_a_whole_batch_out_or_none_of_it(
    log: RealLog, damage: Callable[[Any, JobKeys], object], request_of: Callable[[str], Request]
) -> None:
    sound = next(f"sound-{n}" for n in range(100) if log.partition_of(f"sound-{n}") == ours(log))
    log.append(done("j"), done(sound))
    damage(log.client, log.keys("j"))
    before = log.events()
    with suppress(redis.ResponseError):
        log.append(done(sound), request_of("j"))
    assert log.events() == before or log.events() == before + 2
    assert int(log.client.hget(log.keys(sound).head, "version")) == len(log.entries(sound))


def test_an_id_from_the_end_of_time_does_not_stop_a_partition_in_mid_write(log: RealLog) -> None:
    partition = log.partition_of("j")
    log.client.xadd(partition.log, {"forged": ""}, "18446744073709551614-0")
    assert one(log.append(done("j"))).version == 1
    assert one(log.append(done("j"))).version == 2
    assert int(log.client.hget(log.keys("j").head, "version")) == 2
    assert log.client.ttl(log.keys("j").head) > 0


def ours(log: RealLog) -> PartitionKeys:
    return log.partition_of("j")
