"""Lag, as Redis tells it: of workers that work, never ran, or come after a trim or a restore."""

import asyncio
import time
from contextlib import aclosing

import pytest
from real_log import RealLog, forever, projecting

from checkpoint.events import watermark
from checkpoint.events.append import Request
from checkpoint.events.async_lines import AsyncLines
from checkpoint.events.cursor import Progress
from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.event import StageCompleted
from checkpoint.events.positions import Group
from checkpoint.query.lag import Lag, measure_lag

JOB = "job"


@pytest.fixture
def number(log: RealLog) -> int:
    return log.partition_of(JOB).partition


def save(log: RealLog, count: int) -> list[EntryId]:
    events = [StageCompleted(job=JOB, stage=f"stage-{one}", ttl_ms=60_000) for one in range(count)]
    return [one.id for one in log.append(*map(Request, events))]


def lags(log: RealLog, number: int) -> dict[str, Lag]:
    measured = log.run(measure_lag(log.settings.namespace, log.log.partitions))
    assert len(measured) == 2 * log.log.partitions
    return {one.consumer: one for one in measured if one.partition == number}


def stand_at(log: RealLog, number: int, position: EntryId) -> None:
    """Put the projector's position and the watermark at an entry id."""
    log.client.set(log.partition(number).position, str(position))
    log.call(watermark.publish(log.partition(number), position, ZERO))


def publish(log: RealLog, number: int, made: Progress) -> None:
    """Move the projector's consumer group, as its worker does."""

    async def advance() -> None:
        async with aclosing(AsyncLines(log.settings.redis_url, 5.0)) as redis:
            await Group(redis, "projector").advance((log.settings.namespace, number), made)

    asyncio.run(advance())


def test_an_empty_log_has_no_lag(log: RealLog, number: int) -> None:
    assert lags(log, number) == {
        consumer: Lag(consumer, number, 0, 0.0, ZERO, ZERO)
        for consumer in ("projector", "snapshotter")
    }


def test_workers_that_never_ran_lack_everything(log: RealLog, number: int) -> None:
    *_, last = save(log, 250)
    for lag in lags(log, number).values():
        assert (lag.entries, lag.position, lag.last) == (250, ZERO, last)


def test_the_age_is_that_of_the_oldest_entry_not_applied(log: RealLog, number: int) -> None:
    (first,) = save(log, 1)
    time.sleep(0.3)
    save(log, 1)
    assert lags(log, number)["projector"].seconds >= 0.3
    stand_at(log, number, first)
    assert lags(log, number)["projector"].seconds < 0.3


def test_a_projector_that_is_done_has_no_lag_and_a_snapshotter_that_never_ran_has(
    log: RealLog, number: int
) -> None:
    *_, last = save(log, 5)
    log.project()
    found = lags(log, number)
    assert found["projector"] == Lag("projector", number, 0, 0.0, last, last)
    assert found["snapshotter"].entries == 5


def test_a_snapshotter_stands_at_the_watermark(archived_log: RealLog) -> None:
    log, number = archived_log, archived_log.partition_of(JOB).partition
    names = save(log, 5)
    log.call(watermark.publish(log.partition(number), names[2], ZERO))
    found = lags(log, number)["snapshotter"]
    assert (found.entries, found.position) == (2, names[2])


@pytest.mark.parametrize("left", [0, 1, 99, 100])
def test_a_few_entries_are_counted_without_a_group(log: RealLog, number: int, left: int) -> None:
    names = save(log, 200)
    stand_at(log, number, names[-1 - left])
    assert {lag.entries for lag in lags(log, number).values()} == {left}


def test_many_entries_are_counted_by_the_group(log: RealLog, number: int) -> None:
    names = save(log, 500)
    publish(log, number, Progress(ZERO, names[99], 100))
    stand_at(log, number, names[99])
    assert lags(log, number)["projector"].entries == 400
    stand_at(log, number, names[109])  # not published yet
    assert lags(log, number)["projector"].entries == 400


def test_a_trimmed_log_counts_what_is_left(log: RealLog, number: int) -> None:
    names = save(log, 500)
    log.client.xtrim(log.partition(number).log, minid=str(names[200]), approximate=False)
    stand_at(log, number, names[100])
    assert {lag.entries for lag in lags(log, number).values()} == {300}
    stand_at(log, number, names[-1])
    log.client.xtrim(log.partition(number).log, maxlen=0, approximate=False)
    assert {(lag.entries, lag.last) for lag in lags(log, number).values()} == {(0, names[-1])}


def test_a_position_beyond_the_last_entry_has_no_lag(log: RealLog, number: int) -> None:
    *_, last = save(log, 3)
    fence = EntryId(last.ms + 60_000, 0)
    stand_at(log, number, fence)
    assert {(lag.entries, lag.seconds, lag.position) for lag in lags(log, number).values()} == {
        (0, 0.0, fence)
    }


def test_lag_is_measured_while_a_projector_works(log: RealLog, number: int) -> None:
    save(log, 300)
    seen = []
    with projecting(log.settings) as apply:
        for part in log.slices(number, forever(50)):
            apply(part)
            seen.append(lags(log, number)["projector"].entries)
    assert seen[-1] == 0
    assert seen == sorted(seen, reverse=True)
