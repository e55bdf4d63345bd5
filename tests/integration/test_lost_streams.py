"""A partition's stream that goes while Redis runs: nothing is acknowledged until it is restored."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing

import pytest
from processes import environ, eventually, worker
from real_log import RealLog, a_snapshotter_runs

from checkpoint import CheckpointManager, EventLost, LogNotReady, LogUnavailable
from checkpoint.events.async_lines import AsyncLines
from checkpoint.events.cursor import Progress
from checkpoint.events.entry_id import EntryId
from checkpoint.events.event import EventsLost
from checkpoint.events.keys import PartitionKeys
from checkpoint.events.positions import Group
from checkpoint.restore import keep_whole, open_gate

Break = Callable[[RealLog, PartitionKeys], object]

FAR_MS = 4_000_000_000_000
"""Ids from the year 2096: ahead of the clock."""


def quiet(line: str) -> None:
    assert line


def keys_of(log: RealLog, partition: PartitionKeys) -> list[bytes]:
    return sorted(log.client.scan_iter(f"{partition.tag}:*"))


def delete(log: RealLog, partition: PartitionKeys) -> object:
    return log.client.delete(partition.log)


def rename(log: RealLog, partition: PartitionKeys) -> object:
    return log.client.rename(partition.log, f"{partition.log}:away")


def make_anew(log: RealLog, partition: PartitionKeys) -> object:
    log.client.delete(partition.log)
    return log.client.xgroup_create(partition.log, "by-hand", mkstream=True)


def set_back(log: RealLog, partition: PartitionKeys) -> object:
    log.client.xtrim(partition.log, maxlen=0)
    return log.client.execute_command("XSETID", partition.log, "1-0")


def delete_everything(log: RealLog, partition: PartitionKeys) -> object:
    return log.client.delete(*keys_of(log, partition))


def other_job(log: RealLog, job: str) -> str:
    """Return a job that lives in the same partition."""
    names = (f"other-{n}" for n in range(100))
    return next(one for one in names if log.partition_of(one) == log.partition_of(job))


def other_partition(log: RealLog, job: str) -> str:
    """Return a job that lives in another partition."""
    names = (f"other-{n}" for n in range(100))
    return next(one for one in names if log.partition_of(one) != log.partition_of(job))


def stages_or_none(manager: CheckpointManager, job: str) -> object:
    try:
        return manager.get_job_progress(job)["completed_stages"]
    except (LogNotReady, LogUnavailable):
        return None


@asynccontextmanager
async def closing_lines(log: RealLog) -> AsyncIterator[AsyncLines]:
    lines = AsyncLines(log.settings.redis_url, 5.0)
    try:
        yield lines
    finally:
        await lines.aclose()


def ids_are_ahead(log: RealLog) -> None:
    """Make every partition's ids those of another clock's."""
    for number in log.numbers:
        log.client.execute_command("XSETID", log.partition(number).log, f"{FAR_MS}-0")


@pytest.mark.parametrize(
    ("lose", "ahead"),
    [
        (delete, False),
        (delete, True),
        (rename, False),
        (delete_everything, True),
        (make_anew, True),
        (set_back, True),
    ],
)
def test_what_is_lost_is_refused_whole_until_it_is_restored(
    archived_log: RealLog, lose: Break, ahead: bool
) -> None:
    log = archived_log
    partition = log.partition_of("j")
    log.run(open_gate(log.settings.namespace))
    if ahead:
        ids_are_ahead(log)
    with CheckpointManager(log.settings) as manager:
        with a_snapshotter_runs(log):
            manager.save("j", "kept", {"n": 1}, ack="durable")
        log.project()
        lose(log, partition)
        before = keys_of(log, partition)

        for attempt in (
            lambda: manager.save("j", "next", {}, ack="durable"),
            lambda: manager.save(other_job(log, "j"), "first", {}, ack="durable"),
            lambda: manager.delete_job_checkpoints("j"),
        ):
            with pytest.raises(LogNotReady, match="restore"):
                attempt()
        assert keys_of(log, partition) == before

        told: list[str] = []
        assert log.run(keep_whole(log.settings.namespace, told.append))
        assert any("restor" in line for line in told)
        assert log.run(keep_whole(log.settings.namespace, told.append)) == []
        assert manager.load("j", "kept") == {"n": 1}
        with a_snapshotter_runs(log):
            manager.save("j", "next", {"n": 2}, ack="durable")
        with closing(log.archive()) as archive:
            assert [one.version for one in archive.job_history("j")] == [1, 2]


@pytest.mark.parametrize("is_projected", [True, False])
@pytest.mark.parametrize("lose", [delete, rename, delete_everything])
def test_a_history_that_lacks_what_the_log_had_is_not_told(
    archived_log: RealLog, lose: Break, is_projected: bool
) -> None:
    log = archived_log
    with CheckpointManager(log.settings) as manager:
        manager.save("j", "archived", 1)
        log.store()
        manager.save("j", "logged", 2)
        if is_projected:
            log.project()
        lose(log, log.partition_of("j"))
        with pytest.raises(LogNotReady):
            manager.get_job_history("j")


def test_a_history_of_a_redis_that_was_emptied_is_not_told(archived_log: RealLog) -> None:
    with CheckpointManager(archived_log.settings) as manager:
        manager.save("j", "archived", 1)
        archived_log.store()
        manager.save("j", "logged", 2)
        archived_log.client.flushall()
        with pytest.raises(LogNotReady):
            manager.get_job_history("j")


def test_without_an_archive_a_lost_stream_is_refused_too(log: RealLog) -> None:
    with CheckpointManager(log.settings) as manager:
        manager.save("j", "one", {})
        delete(log, log.partition_of("j"))
        with pytest.raises(LogNotReady):
            manager.save("j", "two", {})
        assert manager.save(other_partition(log, "j"), "one", {}).version == 1


def test_what_only_the_lost_stream_had_is_named_and_no_view_keeps_it(
    archived_log: RealLog,
) -> None:
    log = archived_log
    with CheckpointManager(log.settings) as manager:
        with a_snapshotter_runs(log):
            manager.save("j", "kept", {}, ack="durable")
        manager.save("j", "gone", {})
        unarchived = manager.save(other_job(log, "j"), "gone", {})
        log.project()
        delete(log, log.partition_of("j"))
        log.run(keep_whole(log.settings.namespace, quiet))

        assert manager.get_job_progress("j")["completed_stages"] == ["kept"]
        assert manager.get_resume_point(unarchived.job) is None
        manager.save("j", "next", {})
        lost = [
            (job, entry.event.first, entry.event.last)
            for job in ("j", unarchived.job)
            for entry in log.entries(job)
            if isinstance(entry.event, EventsLost)
        ]
        assert lost == [("j", 2, 2), (unarchived.job, 1, 1)]
        with pytest.raises(EventLost), a_snapshotter_runs(log):
            manager.wait_until_durable(unarchived)


def test_what_others_write_into_an_emptied_redis_hides_no_loss(archived_log: RealLog) -> None:
    log = archived_log
    with CheckpointManager(log.settings) as manager, a_snapshotter_runs(log):
        manager.save("j", "one", {}, ack="durable")
        manager.save(other_partition(log, "j"), "one", {}, ack="durable")
    log.client.flushall()
    for number in log.numbers:
        log.client.xadd(log.partition(number).log, {"not": "an event"})
    log.project()  # it has a position now, beyond all that was archived
    log.run(keep_whole(log.settings.namespace, quiet))
    with CheckpointManager(log.settings) as manager:
        assert manager.is_completed("j", "one")
        assert manager.is_completed(other_partition(log, "j"), "one")
        assert manager.save("j", "two", {}).version == 2


@pytest.mark.parametrize("is_projected", [True, False])
def test_where_the_meta_alone_is_gone_nothing_is_lost(
    archived_log: RealLog, is_projected: bool
) -> None:
    log = archived_log
    log.run(open_gate(log.settings.namespace))
    with CheckpointManager(log.settings) as manager:
        with a_snapshotter_runs(log):
            manager.save("j", "archived", 1, ack="durable")
            log.run(keep_whole(log.settings.namespace, quiet))
        manager.save("j", "logged", 2)
        manager.save(other_job(log, "j"), "logged", 2)
        if is_projected:
            log.project()
        log.client.delete(log.partition_of("j").meta)
        with pytest.raises(LogNotReady):
            manager.save("j", "refused", 3)
        assert log.run(keep_whole(log.settings.namespace, quiet)) == []
        manager.save("j", "next", 3)
        for job, stages in (
            ("j", {"archived", "logged", "next"}),
            (other_job(log, "j"), {"logged"}),
        ):
            assert set(manager.get_job_progress(job)["completed_stages"]) == stages
        log.project()
        log.store()
        assert [entry.version for entry in log.entries("j")] == [1, 2, 3]
        with closing(log.archive()) as archive:
            archived = archive.job_entries("j")[0]
        assert [entry.version for entry in archived] == [1, 2, 3]


def test_a_running_snapshotter_restores_a_deleted_stream(archived_log: RealLog) -> None:
    log = archived_log
    with (
        CheckpointManager(log.settings) as manager,
        worker("projector", environ(log.settings)),
        worker("snapshotter", environ(log.settings)),
    ):
        ids_are_ahead(log)
        manager.save("j", "kept", {"n": 1}, ack="durable")
        delete(log, log.partition_of("j"))

        def saved() -> bool:
            try:
                manager.save("j", "next", {"n": 2}, ack="durable")
            except LogNotReady:
                return False
            return True

        eventually(saved)
        log.client.flushall()
        eventually(lambda: stages_or_none(manager, "j"), wanted=lambda now: now == ["kept", "next"])


def test_a_partition_whose_stream_was_lost_before_its_first_entry_is_restored(
    archived_log: RealLog,
) -> None:
    log = archived_log
    log.run(open_gate(log.settings.namespace))
    for number in log.numbers:
        delete(log, log.partition(number))
    assert len(log.run(keep_whole(log.settings.namespace, quiet))) == len(log.numbers)
    with CheckpointManager(log.settings) as manager:
        assert manager.save("j", "one", {}).version == 1


def test_a_workers_group_does_not_bring_a_lost_stream_back(log: RealLog) -> None:
    partition = log.partition_of("j")
    delete(log, partition)

    async def advance() -> EntryId:
        async with closing_lines(log) as lines:
            made = Progress(EntryId(1, 0), EntryId(2, 0), 1)
            return await Group(lines, "projector").advance(partition, made)

    assert asyncio.run(advance()) == EntryId(1, 0)
    assert not log.client.exists(partition.log)


def test_a_stream_that_was_trimmed_to_nothing_by_hand_goes_on(archived_log: RealLog) -> None:
    log = archived_log
    ids_are_ahead(log)
    with CheckpointManager(log.settings) as manager, a_snapshotter_runs(log):
        manager.save("j", "one", {}, ack="durable")
        log.project()
        log.client.xtrim(log.partition_of("j").log, maxlen=0)
        assert manager.save("j", "two", {}, ack="durable").version == 2


def test_flushed_scripts_and_a_clock_behind_the_ids_change_nothing(archived_log: RealLog) -> None:
    log = archived_log
    ids_are_ahead(log)
    with CheckpointManager(log.settings) as manager, a_snapshotter_runs(log):
        first = manager.save("j", "one", {}, ack="durable")
        log.client.script_flush()
        second = manager.save("j", "two", {}, ack="durable")
    assert first.id.ms == second.id.ms == FAR_MS
    assert second.version == 2


def test_a_job_whose_latest_events_were_in_a_lost_stream_is_not_answered_without_them(
    log: RealLog,
) -> None:
    with CheckpointManager(log.settings) as manager:
        manager.save("j", "applied", {})
        log.project()
        manager.save("j", "next", {})
        delete(log, log.partition_of("j"))
        with pytest.raises(LogNotReady):
            manager.get_resume_point("j")
