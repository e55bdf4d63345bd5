"""Restores beside what else goes on: another restore, waiters, workers with old slices."""

from contextlib import suppress
from dataclasses import replace
from functools import partial
from math import inf
from typing import Any

import pytest
from isolation import remove_namespace
from losing import dumped, lose_the_last
from real_log import RealLog, projecting

from checkpoint import CheckpointManager
from checkpoint.events.append import Request
from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.errors import CheckpointError, EventLost, LogNotReady
from checkpoint.events.event import StageCompleted
from checkpoint.events.steps import Steps
from checkpoint.events.watermark import publish
from checkpoint.restore import restore, restoring
from checkpoint.servers import Servers
from checkpoint.snapshotter import restorations


class Stepper:
    """Carries out steps one at a time."""

    def __init__(self, log: RealLog, steps: Steps[Any]) -> None:
        self._servers = Servers(log.settings)
        self._steps = steps
        self._next = partial(next, steps)

    def step(self) -> bool:
        """Carry out one more step; False where there is none."""
        try:
            todo = self._next()
        except StopIteration:
            self._servers.close()
            return False
        try:
            self._next = partial(self._steps.send, self._servers._perform(todo, inf))  # noqa: SLF001
        except CheckpointError as error:
            self._next = partial(self._steps.throw, error)
        return True

    def finish(self) -> None:
        """Carry out the rest, unless another restore went on with it."""
        with suppress(LogNotReady):
            while self.step():
                pass


@pytest.mark.parametrize("steps", range(0, 40, 2))
def test_a_slow_restore_undoes_nothing_of_what_came_after_a_fast_one(
    archived_log: RealLog, steps: int
) -> None:
    log = archived_log
    for stage in ("a", "b"):
        log.append(Request(StageCompleted(job="job", stage=stage)))
    log.store()
    remove_namespace(log.settings.redis_url, log.settings.namespace)

    slow, fast = (Stepper(log, restoring(log.settings.namespace, print)) for _ in range(2))
    for _ in range(steps):
        slow.step()
    fast.finish()
    (third,) = log.append(Request(StageCompleted(job="job", stage="c")))
    slow.finish()
    (fourth,) = log.append(Request(StageCompleted(job="job", stage="d")))
    assert (third.version, fourth.version) == (3, 4)
    log.project()
    assert set(log.view("job").checkpoints) == set("abcd")


def lose_redis(log: RealLog) -> None:
    remove_namespace(log.settings.redis_url, log.settings.namespace)
    log.run(restore(log.settings.namespace, print))


def test_who_waits_for_a_lost_event_is_told(archived_log: RealLog) -> None:
    with CheckpointManager(archived_log.settings) as manager:
        archived = manager.save("job", "a", {})
        archived_log.store()
        lost = manager.save("job", "b", {})
        lose_redis(archived_log)
        manager.save("job", "c", {})
        archived_log.store()
        manager.wait_until_durable(archived)
        with pytest.raises(EventLost, match=str(lost.id)):
            manager.wait_until_durable(lost)


def test_a_snapshotter_that_still_holds_lost_entries_does_not_store_them(
    archived_log: RealLog,
) -> None:
    log = archived_log
    log.append(Request(StageCompleted(job="job", stage="a")))
    log.store()
    partition = log.partition_of("job").partition
    archive = log.archive()
    position = archive.positions()[partition]
    log.append(Request(StageCompleted(job="job", stage="lost")))
    late = log.chapter(partition, position)
    lose_redis(log)
    (again,) = log.append(Request(StageCompleted(job="job", stage="b")))
    archive.store([late])
    log.store()
    assert again.version == 2
    assert [one.id for one in archive.job_entries("job")[0]][1:] == [again.id]
    archive.close()


def test_a_snapshotter_does_not_store_what_was_lost_with_ids_ahead_of_the_clock(
    archived_log: RealLog,
) -> None:
    log = archived_log
    log.append(Request(StageCompleted(job="job", stage="a")))
    log.store()
    keys = log.partition_of("job")
    archive = log.archive()
    position = archive.positions()[keys.partition]
    seconds, _ = log.client.time()
    log.client.execute_command("XSETID", keys.log, f"{(seconds + 3600) * 1000}-0")
    log.append(Request(StageCompleted(job="job", stage="lost")))
    log.project()
    late = log.chapter(keys.partition, position)
    log.client.delete(keys.log)
    log.run(restore(log.settings.namespace, print))
    archive.store([late])
    (again,) = log.append(Request(StageCompleted(job="job", stage="b")))
    log.store()
    assert again.version == 2
    assert [one.id for one in archive.job_entries("job")[0]][1:] == [again.id]
    archive.close()


def test_a_projector_that_still_holds_lost_entries_does_not_apply_them(
    archived_log: RealLog,
) -> None:
    log = archived_log
    log.append(Request(StageCompleted(job="job", stage="a")))
    log.project()
    log.store()
    partition = log.partition_of("job").partition
    log.append(Request(StageCompleted(job="job", stage="lost")))
    late = log.slice(partition, log.position(partition))
    assert late
    lose_redis(log)
    with projecting(log.settings) as apply:
        apply(late)
    log.append(Request(StageCompleted(job="job", stage="b")))
    log.project()
    assert set(log.view("job").checkpoints) == {"a", "b"}


def test_what_a_restart_lost_is_neither_archived_nor_viewed_by_who_still_holds_it(
    archived_log: RealLog,
) -> None:
    """Redis is not behind the archive, so nothing is restored."""
    log = archived_log
    log.append(Request(StageCompleted(job="job", stage="a")))
    log.store()
    log.project()
    number = log.partition_of("job").partition
    archive = log.archive()
    older = dumped(log)
    lost = log.append(Request(StageCompleted(job="job", stage="lost")))[0]
    chapter = log.chapter(number, archive.positions()[number])
    part = log.slice(number, log.position(number))
    assert part
    lose_the_last(log, older)

    assert log.run(restore(log.settings.namespace, print)) == []
    archive.store([chapter])
    with projecting(log.settings) as apply:
        assert apply(part) < part.last
    assert not archive.has(number, lost.id)
    assert set(log.view("job").checkpoints) == {"a"}
    (again,) = log.append(Request(StageCompleted(job="job", stage="b")))
    archive.store([chapter])
    log.store()
    log.project()
    assert again.version == 2
    assert [one.id for one in archive.job_entries("job")[0]][1:] == [again.id]
    assert set(log.view("job").checkpoints) == {"a", "b"}
    (gap,) = [one for one in restorations.on_record(archive) if one.partition == number]
    assert gap.archived < lost.id < EntryId(gap.resumed_ms, 0) <= again.id
    archive.close()


def test_an_emptied_redis_of_which_nothing_is_archived_is_no_log(archived_log: RealLog) -> None:
    with CheckpointManager(archived_log.settings) as manager:
        manager.save("job", "a", {})
        remove_namespace(archived_log.settings.redis_url, archived_log.settings.namespace)
        archived_log.client.script_flush()
        with pytest.raises(LogNotReady):
            manager.get_resume_point("job")
        assert not archived_log.client.exists(archived_log.partition(0).meta)


def test_a_watermark_of_a_closed_partition_does_not_vouch_for_what_was_lost(
    archived_log: RealLog,
) -> None:
    """A snapshotter that looks up its position meanwhile finds the one that the restore set."""
    log = archived_log
    with CheckpointManager(replace(log.settings, timeout=1.0)) as manager:
        manager.save("job", "a", {})
        log.store()
        lost = manager.save("job", "b", {})
        remove_namespace(log.settings.redis_url, log.settings.namespace)
        partition = log.partition_of("job")
        archive = log.archive()
        stepper = Stepper(log, restoring(log.settings.namespace, print))
        before = archive.positions()[partition.partition]
        while archive.positions()[partition.partition] == before:
            assert stepper.step()
        log.call(publish(partition, archive.positions()[partition.partition], ZERO))
        stepper.finish()
        archive.close()
        with pytest.raises(EventLost):
            manager.wait_until_durable(lost)
