"""Rebuilding views: whatever they were, they become what the log says, and nobody sees between."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from itertools import count, cycle
from random import Random

import msgspec
import pytest
from histories import JOBS, Act, histories, request_of
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from real_log import RealLog, a_snapshotter_runs

from checkpoint import CheckpointManager
from checkpoint.events.async_lines import AsyncLines
from checkpoint.events.entry import decode_all
from checkpoint.events.errors import IncarnationEnded, LogNotReady
from checkpoint.events.freshness import Place
from checkpoint.events.keys import partition_of
from checkpoint.events.settings import Settings
from checkpoint.projector.change import INDEX_KEEPS, parse_written, write_views
from checkpoint.projector.fold import NOTHING
from checkpoint.projector.projection import by_job, project
from checkpoint.projector.projector import Projector
from checkpoint.projector.rebuilding import parse_rebuilt, rebuild_views
from checkpoint.projector.view import BESIDE_DATA, parse_states, read_states
from checkpoint.rebuild import Rebuilt, rebuild, rebuild_job

logs = count()
STAGES = [f"stage-{number}" for number in range(40)]


def place_of(log: RealLog) -> Place:
    has_archive = log.settings.postgres_url is not None
    return Place(log.settings.namespace, log.log.partitions, has_archive)


def rebuild_all(log: RealLog) -> Rebuilt:
    parts = [log.run(rebuild(place_of(log), number, lambda _: None)) for number in log.numbers]
    return Rebuilt(
        sum(part.views for part in parts),
        sorted(job for part in parts for job in part.differed),
        sorted(job for part in parts for job in part.left),
    )


def complete(log: RealLog, job: str, *stages: str) -> None:
    for stage in stages:
        log.append(request_of(Act("complete", job, stage, {"of": stage})))


def drop(log: RealLog, view: str) -> None:
    log.client.delete(view)


def damage(log: RealLog, view: str) -> None:
    log.client.lset(view, 1, b'["half of a st\xff')


def forge_a_version(log: RealLog, view: str) -> None:
    stamp = log.client.lindex(view, 0).split()
    log.client.lset(view, 0, b" ".join([stamp[0], b"99"]))


def forge_data(log: RealLog, view: str) -> None:
    log.client.lset(view, BESIDE_DATA, b"{}")


def lose_a_stage(log: RealLog, view: str) -> None:
    log.client.rpop(view)


def add_a_stage(log: RealLog, view: str) -> None:
    log.client.rpush(view, b"{}")


@pytest.mark.parametrize(
    "spoil", [drop, damage, forge_a_version, forge_data, lose_a_stage, add_a_stage]
)
@pytest.mark.parametrize("trimmed", [False, True])
def test_a_spoilt_view_is_named_and_becomes_what_the_log_says(
    archived_log: RealLog, spoil: Callable[[RealLog, str], None], *, trimmed: bool
) -> None:
    log = archived_log
    complete(log, "j", "cut", "mix")
    complete(log, "k", "cut")
    log.project()
    folded = {job: log.fold(job) for job in "jk"}
    log.store()
    if trimmed:
        for number in log.numbers:
            log.client.xtrim(log.partition(number).log, maxlen=0)
    spoil(log, log.keys("j").view)
    assert rebuild_all(log) == Rebuilt(2, ["j"], [])
    assert {job: log.view(job) for job in "jk"} == folded
    assert rebuild_all(log) == Rebuilt(2, [], [])
    assert len(log.client.lindex(log.keys("j").view, 0).split()) == 3  # with the rebuild's token


def test_a_view_of_the_log_alone_is_rebuilt_from_it(log: RealLog) -> None:
    complete(log, "j", "cut", "mix")
    log.project()
    drop(log, log.keys("j").view)
    assert rebuild_all(log) == Rebuilt(1, ["j"], [])
    assert log.view("j") == log.fold("j")


def test_a_view_that_the_projector_has_not_made_yet_is_no_finding(archived_log: RealLog) -> None:
    log = archived_log
    complete(log, "j", "cut")
    log.store()
    complete(log, "j", "mix")
    complete(log, "k", "cut")
    assert rebuild_all(log) == Rebuilt(2, [], [])
    assert log.view("j") == log.fold("j")
    log.project()
    assert log.view("j") == log.fold("j")
    assert rebuild_all(log) == Rebuilt(2, [], [])


def test_a_view_that_the_projector_had_to_drop_goes_on(log: RealLog) -> None:
    complete(log, "j", "cut", "mix")
    log.project()
    drop(log, log.keys("j").view)
    complete(log, "j", "export")
    log.project()
    assert log.view("j") == NOTHING
    assert rebuild_all(log).differed == ["j"]
    complete(log, "j", "publish")
    log.project()
    assert set(log.view("j").checkpoints) == {"cut", "mix", "export", "publish"}
    assert log.view("j") == log.fold("j")


def test_a_projector_that_read_the_view_from_before_reads_again(log: RealLog) -> None:
    complete(log, "j", "cut", "mix")
    log.project()
    drop(log, log.keys("j").view)
    complete(log, "j", "export")
    partition = log.partition_of("j")
    number = partition.partition
    position = log.position(number)
    part = log.slice(number, position)
    assert part
    jobs = by_job(decode_all(part.entries)[0])
    [(state, stamp)] = parse_states(log.call(read_states(partition, jobs)))
    stale = project({"j": state}, jobs)
    assert rebuild_all(log).differed == ["j"]
    reply = log.call(write_views(partition, position, part.last, stale, [stamp]))
    assert parse_written(reply) == position
    assert log.view("j") == log.fold("j")
    log.project()
    assert log.view("j") == log.fold("j")
    assert log.position(number) == part.last


def test_a_state_that_the_projector_has_passed_is_not_written(log: RealLog) -> None:
    complete(log, "j", "cut", "mix")
    stale = {"j": log.fold("j")}
    partition = log.partition_of("j")
    complete(log, "j", "export")
    log.project()
    view = log.view("j")
    assert parse_rebuilt(log.call(rebuild_views(partition, stale)), ["j"]) == set()
    assert log.view("j") == view == log.fold("j")


def test_a_state_that_the_projector_will_bring_up_to_date_is_written(log: RealLog) -> None:
    complete(log, "j", "cut", "mix")
    stale = {"j": log.fold("j")}
    complete(log, "j", "export")
    call = rebuild_views(log.partition_of("j"), stale)
    assert parse_rebuilt(log.call(call), ["j"]) == {"j"}
    assert log.read("j").is_complete
    assert log.read("j").state == log.fold("j")
    log.project()
    assert log.view("j") == log.fold("j")


def test_a_state_of_another_life_or_of_an_entry_that_was_lost_is_not_written(log: RealLog) -> None:
    complete(log, "j", "cut")
    state = log.fold("j")
    for other in (
        msgspec.structs.replace(state, id=state.id.before),
        msgspec.structs.replace(state, incarnation=state.incarnation.before),
    ):
        call = rebuild_views(log.partition_of("j"), {"j": other})
        assert parse_rebuilt(log.call(call), ["j"]) == set()
    assert log.view("j") == NOTHING


def test_the_index_of_a_rebuilt_view_keeps_the_latest_versions_only(log: RealLog) -> None:
    count = INDEX_KEEPS + 24
    complete(log, "j", *(f"s{n}" for n in range(count)))
    rebuild_all(log)
    fields = log.client.hkeys(log.keys("j").head)
    assert sorted(int(name) for name in fields if name.isdigit()) == list(range(25, count + 1))


def test_a_view_expires_with_its_job(log: RealLog) -> None:
    complete(log, "j", "cut")
    rebuild_all(log)
    expires = [log.client.pexpiretime(key) for key in log.keys("j")[:2]]
    assert expires[0] == expires[1] > 0


def test_deleted_and_new_lives_are_rebuilt_as_they_are(archived_log: RealLog) -> None:
    log = archived_log
    complete(log, "gone", "cut")
    complete(log, "anew", "cut")
    log.store()
    for job in ("gone", "anew"):
        log.append(request_of(Act("delete", job)))
    complete(log, "anew", "mix")
    log.project()
    for job in ("gone", "anew"):
        drop(log, log.keys(job).view)
    assert rebuild_all(log) == Rebuilt(2, ["anew", "gone"], [])
    assert (log.view("gone").deleted, set(log.view("anew").checkpoints)) == (True, {"mix"})
    assert {job: log.view(job) for job in ("gone", "anew")} == {
        job: log.fold(job) for job in ("gone", "anew")
    }


def test_one_job_is_rebuilt_alone_and_one_that_is_not_there_is_not(log: RealLog) -> None:
    complete(log, "j", "cut")
    complete(log, "k", "cut")
    assert log.run(rebuild_job(place_of(log), "j")) == Rebuilt(1, [], [])
    assert (log.view("j"), log.view("k")) == (log.fold("j"), NOTHING)
    assert log.run(rebuild_job(place_of(log), "nobody")) == Rebuilt()


def test_a_job_whose_entries_are_not_all_on_record_is_left_and_named(log: RealLog) -> None:
    complete(log, "j", "cut", "mix")
    log.project()
    view = log.view("j")
    log.client.xdel(log.partition_of("j").log, str(log.entries("j")[0].id))
    assert rebuild_all(log) == Rebuilt(0, [], ["j"])
    assert log.view("j") == view


def test_a_log_that_redis_has_lost_is_not_rebuilt(archived_log: RealLog) -> None:
    log = archived_log
    complete(log, "j", "cut")
    log.client.delete(log.partition_of("j").meta)
    number = partition_of("j", log.log.partitions)
    with pytest.raises(LogNotReady):
        log.run(rebuild(place_of(log), number, lambda _: None))


@hypothesis_settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(acts=histories(max_size=24), dice=st.builds(Random, st.integers(0, 2**32)))
def test_whatever_view_and_archive_have_the_views_become_the_fold(
    archived_settings: Settings, acts: list[Act], dice: Random
) -> None:
    log = RealLog(
        replace(archived_settings, namespace=f"{archived_settings.namespace}_{next(logs)}")
    )
    for act in acts:
        try:
            log.append(request_of(act))
        except IncarnationEnded:
            assert act.kind == "delete"
        match dice.randrange(8):
            case 0:
                log.project(size=dice.randint(1, 9))
            case 1:
                log.store()
            case 2:
                drop(log, log.keys(dice.choice(JOBS)).view)
            case 3:
                rebuild_all(log)
    known = {one.job for one in acts if log.entries(one.job)}
    assert rebuild_all(log).left == []
    assert {job: log.view(job) for job in known} == {job: log.fold(job) for job in known}
    log.project()
    assert {job: log.view(job) for job in known} == {job: log.fold(job) for job in known}
    log.close()


@contextmanager
def a_projector_runs(log: RealLog) -> Iterator[None]:
    """Keep the views up to date, in a thread of its own, as long as the block runs."""
    stop = threading.Event()

    async def follow() -> None:
        lines = AsyncLines(log.settings.redis_url, 5.0)
        projector = Projector(lines, log.settings.namespace)
        while not stop.is_set():
            for number in log.numbers:
                if part := log.slice(number, await projector.position(number), size=7):
                    await projector.apply(part)
            await asyncio.sleep(0)
        await lines.aclose()

    with in_threads(lambda: asyncio.run(follow())):
        try:
            yield
        finally:
            stop.set()


@contextmanager
def in_threads(*works: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Let works run beside the block, and wait for their ends; what one raises is raised.

    Yields what says whether one of them still runs.
    """
    errors: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - it is raised below, in the test's thread
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=[work]) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield lambda: any(thread.is_alive() for thread in threads)
    finally:
        for thread in threads:
            thread.join()
    assert errors == []


LIVES = 3


def go_through_lives(settings: Settings, job: str) -> None:
    """Save stage after stage, looking each time, and begin anew twice."""
    with CheckpointManager(settings) as manager:
        for life in range(LIVES):
            for number, stage in enumerate(STAGES):
                manager.save(job, stage, {"life": life, "number": number})
                point = manager.get_resume_point(job)
                assert point
                assert list(point["stage_data"]) == STAGES[: number + 1]
                assert all(data["life"] == life for data in point["stage_data"].values())
            if life < LIVES - 1:
                manager.delete_job_checkpoints(job)
                assert manager.get_resume_point(job) is None


@pytest.mark.parametrize("has_archive", [False, True])
def test_under_load_no_lookup_is_wrong_while_views_are_lost_and_rebuilt(
    archived_settings: Settings, *, has_archive: bool
) -> None:
    settings = archived_settings if has_archive else replace(archived_settings, postgres_url=None)
    jobs = [f"job-{number}" for number in range(4)]
    log = RealLog(settings)
    done = threading.Event()

    def lose_views() -> None:
        for job in cycle(jobs):
            if done.wait(0.02):
                break
            drop(log, log.keys(job).view)

    rebuilt = 0
    with ExitStack() as stack:
        stack.enter_context(a_projector_runs(log))
        if has_archive:
            stack.enter_context(a_snapshotter_runs(log))
        stack.enter_context(in_threads(lose_views))
        stack.callback(done.set)
        works = [partial(go_through_lives, settings, job) for job in jobs]
        are_at_work = stack.enter_context(in_threads(*works))
        while are_at_work():
            rebuilt += rebuild_all(log).views
    assert rebuilt > len(jobs)
    assert rebuild_all(log).left == []
    assert {job: log.view(job) for job in jobs} == {job: log.fold(job) for job in jobs}
    log.close()
