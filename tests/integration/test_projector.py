"""The projector on a real Redis: each slice once, whoever applies it, whatever is in it."""

import asyncio
import logging
from collections.abc import Sequence

import pytest
from histories import Act, request_of
from msgspec import Raw
from real_log import RealLog, forever, projecting
from servers import NOWHERE

from checkpoint.events.append import Request
from checkpoint.events.async_lines import AsyncLines
from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.errors import LogUnavailable
from checkpoint.events.event import StageCompleted
from checkpoint.events.settings import Settings
from checkpoint.events.slices import Slice
from checkpoint.projector.change import INDEX_KEEPS
from checkpoint.projector.fold import NOTHING
from checkpoint.projector.projector import Projector
from checkpoint.projector.view import BESIDE_DATA


@pytest.fixture
def settings(redis_url: str, namespace: str) -> Settings:
    return Settings(redis_url=redis_url, namespace=namespace, partitions=1)


def happen(log: RealLog, *acts: Act) -> None:
    for act in acts:
        log.append(request_of(act))


def complete(log: RealLog, *stages: str, job: str = "j") -> None:
    happen(log, *(Act("complete", job, stage, {"of": stage}) for stage in stages))


def the_slices(log: RealLog, size: int) -> list[Slice]:
    return list(log.slices(0, forever(size)))


def assert_views_are_folds(log: RealLog, *jobs: str) -> None:
    for job in jobs:
        assert log.view(job) == log.fold(job), job


def test_a_slice_makes_the_views_and_moves_the_position(log: RealLog) -> None:
    complete(log, "cut", "mix")
    complete(log, "cut", job="k")
    [part] = the_slices(log, 100)
    with projecting(log.settings) as apply:
        assert apply(part) == part.last
    assert log.position(0) == part.last
    assert_views_are_folds(log, "j", "k")
    assert set(log.view("j").checkpoints) == {"cut", "mix"}


def test_a_view_is_the_fold_to_the_byte(log: RealLog) -> None:
    event = StageCompleted(job="j", stage="cut", data=Raw(b'{"n":1e23,"z":-0.0,"a":[1 ,2]}'))
    log.append(Request(event))
    log.project()
    assert log.view("j") == log.fold("j")
    assert log.view("j").checkpoints["cut"].data == event.data


def test_a_slice_that_comes_again_changes_nothing(log: RealLog) -> None:
    complete(log, "cut", "mix", "export")
    first, second, third = the_slices(log, 1)
    with projecting(log.settings) as apply:
        for part in (first, second, first, second, third, first, third):
            apply(part)
        assert apply(first) == third.last
    assert log.position(0) == third.last
    assert_views_are_folds(log, "j")


def test_slices_that_overlap_are_applied_once(log: RealLog) -> None:
    happen(log, *(Act("fail", "j", "cut") for _ in range(6)))
    with projecting(log.settings) as apply:
        for part in (log.slice(0, size=2), log.slice(0, size=5), log.slice(0, size=6)):
            assert part
            assert apply(part) == part.last
    assert log.view("j").failures["cut"].attempts == 6


def test_a_slice_after_a_gap_is_not_applied(log: RealLog) -> None:
    complete(log, "cut", "mix", "export")
    first, _, third = the_slices(log, 1)
    with projecting(log.settings) as apply:
        apply(first)
        assert apply(third) == first.last
    assert log.position(0) == first.last
    assert set(log.view("j").checkpoints) == {"cut"}


def test_before_the_first_slice_there_is_a_gap_too(log: RealLog) -> None:
    complete(log, "cut", "mix")
    _, second = the_slices(log, 1)
    with projecting(log.settings) as apply:
        assert apply(second) == ZERO
    assert log.view("j") == NOTHING


@pytest.mark.parametrize("sizes", [(1, 3), (2, 5), (7, 7), (50, 1)])
def test_two_projectors_that_race_apply_each_entry_once(
    log: RealLog, sizes: tuple[int, int]
) -> None:
    for n in range(12):
        happen(log, *(Act("fail", job, "cut") for job in "abc"))
        complete(log, f"s{n}", job="abc"[n % 3])

    async def race() -> None:
        clients = [AsyncLines(log.settings.redis_url, 5.0) for _ in sizes]
        projectors = [Projector(client, log.settings.namespace) for client in clients]

        async def follow(projector: Projector, parts: Sequence[Slice]) -> None:
            for part in parts:
                assert await projector.apply(part) >= part.after

        try:
            async with asyncio.TaskGroup() as both:
                for projector, size in zip(projectors, sizes, strict=True):
                    both.create_task(follow(projector, the_slices(log, size)))
        finally:
            for client in clients:
                await client.aclose()

    asyncio.run(race())
    assert_views_are_folds(log, "a", "b", "c")
    assert log.position(0) == the_slices(log, 100)[0].last


@pytest.mark.parametrize(
    "fields",
    [
        {"hello": "world"},
        {"event": "garbage", "version": "1", "incarnation": ""},
        {"event": '{"type":"stage_of_tomorrow","job":"j"}', "version": "2", "incarnation": ""},
        {"event": '{"type":"job_deleted","job":"j"}', "version": "one", "incarnation": ""},
        {"event": '{"type":"job_deleted","job":"j"}', "version": "1", "incarnation": "x"},
        {"event": '{"type":"job_deleted","job":"j"}'},
        {
            "event": '{"type":"stage_failed","job":"j","stage":"s","error":7}',
            "version": "2",
            "incarnation": "",
        },
        {b"event": b"\xff\xfe", b"\x00": b"\xff"},
    ],
)
def test_poison_is_passed_over_and_the_rest_goes_on(
    log: RealLog, caplog: pytest.LogCaptureFixture, fields: dict[str, str]
) -> None:
    complete(log, "cut")
    poison = log.client.xadd(log.partition(0).log, fields)
    complete(log, "mix")
    complete(log, "cut", job="k")
    with caplog.at_level(logging.WARNING):
        log.project(size=2)
    assert poison.decode() in caplog.text
    assert_views_are_folds(log, "j", "k")
    assert set(log.view("j").checkpoints) == {"cut", "mix"}


def test_an_entry_with_the_greatest_sequence_number_stops_nobody(log: RealLog) -> None:
    complete(log, "cut")
    last = log.raw(0)[-1][0].decode().partition("-")[0]
    log.client.xadd(log.partition(0).log, {"a": "b"}, id=f"{int(last) + 1}-18446744073709551615")
    complete(log, "mix")
    log.project(size=1)
    assert_views_are_folds(log, "j")


def test_a_deleted_job_has_a_view_that_says_so_and_no_data(log: RealLog) -> None:
    complete(log, "cut", "mix")
    log.project()
    happen(log, Act("delete", "j"))
    log.project()
    view = log.view("j")
    assert (view.deleted, view.checkpoints) == (True, {})
    assert log.client.llen(log.keys("j").view) == BESIDE_DATA


def test_a_new_incarnation_replaces_the_view_of_the_old_one(log: RealLog) -> None:
    complete(log, "cut", "mix")
    log.project()
    happen(log, Act("delete", "j"))
    complete(log, "export")
    log.project(size=1)
    assert set(log.view("j").checkpoints) == {"export"}
    assert_views_are_folds(log, "j")
    assert log.client.llen(log.keys("j").view) == BESIDE_DATA + 1


def test_a_view_that_was_lost_is_not_made_from_the_middle(log: RealLog) -> None:
    complete(log, "cut", "mix")
    log.project()
    log.client.delete(log.keys("j").view)
    complete(log, "export")
    log.project()
    assert log.view("j") == NOTHING
    happen(log, Act("delete", "j"))
    complete(log, "cut")
    log.project()
    assert_views_are_folds(log, "j")


def test_a_job_of_very_many_stages_in_one_slice_is_applied(log: RealLog) -> None:
    requests = [Request(StageCompleted(job="j", stage=f"s{n}")) for n in range(9000)]
    log.append(*requests)
    log.project(size=9000)
    assert_views_are_folds(log, "j")


def test_the_index_keeps_the_latest_versions_only_once_the_view_has_them(log: RealLog) -> None:
    count = INDEX_KEEPS + 50
    complete(log, *(f"s{n}" for n in range(count)))
    assert index(log) == list(range(1, count + 1))
    log.project(size=7)
    assert index(log) == list(range(51, count + 1))
    complete(log, "more")
    assert index(log) == list(range(51, count + 2))


def index(log: RealLog) -> list[int]:
    """Return the versions that the job's index has."""
    fields = log.client.hkeys(log.keys("j").head)
    return sorted(int(name) for name in fields if name.isdigit())


def test_a_redis_that_is_away_is_told_and_nothing_is_lost(log: RealLog) -> None:
    complete(log, "cut")
    [part] = the_slices(log, 10)
    nowhere = Settings(redis_url=NOWHERE, namespace=log.settings.namespace)
    with projecting(nowhere) as apply, pytest.raises(LogUnavailable):
        apply(part)
    with projecting(log.settings) as apply:
        assert apply(part) == part.last


def test_a_projector_that_never_ran_stands_before_the_first_entry(log: RealLog) -> None:
    async def position() -> EntryId:
        client = AsyncLines(log.settings.redis_url, 5.0)
        try:
            return await Projector(client, log.settings.namespace).position(0)
        finally:
            await client.aclose()

    assert asyncio.run(position()) == ZERO
    complete(log, "cut")
    log.project()
    assert asyncio.run(position()) == log.entries("j")[0].id
