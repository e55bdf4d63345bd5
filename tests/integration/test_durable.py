"""`durable` means that the archive has the event as an event; where it has not, the save raises."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from real_log import RealLog, a_snapshotter_runs

from checkpoint import CheckpointManager, EventRefused, Settings
from checkpoint.embedded import Valkey
from checkpoint.events.append import Appended
from checkpoint.events.entry_id import EntryId
from checkpoint.restore import keep_whole
from checkpoint.snapshotter import dead_letters


def event(job: str, stage: str = "forged") -> str:
    return f'{{"type":"stage_completed","job":"{job}","stage":"{stage}","data":{{}}}}'


def forge(log: RealLog, job: str, version: str, incarnation: str, name: str = "*") -> EntryId:
    """Add an entry by hand, as somebody with access to Redis can."""
    fields = {"event": event(job), "version": version, "incarnation": incarnation}
    return EntryId.parse(log.client.xadd(log.partition_of(job).log, fields, name))


def archived(log: RealLog, saved: Appended) -> bool:
    with closing(log.archive()) as archive:
        return any(one.id == saved.id for one in archive.job_history(saved.job))


@pytest.fixture
def manager(archived_log: RealLog) -> Iterator[CheckpointManager]:
    with CheckpointManager(archived_log.settings) as manager, a_snapshotter_runs(archived_log):
        yield manager


def test_a_version_that_was_taken_by_hand_is_not_durable(
    archived_log: RealLog, manager: CheckpointManager
) -> None:
    first = manager.save("j", "a", {}, ack="durable")
    forge(archived_log, "j", "2", str(first.incarnation))
    with pytest.raises(EventRefused, match=r"unique constraint .*show \d:\d+-\d+"):
        manager.save("j", "b", {}, ack="durable")
    third = manager.save("j", "b", {}, ack="durable")
    assert archived(archived_log, third)


def test_it_is_refused_by_whoever_waits_and_whenever(
    archived_log: RealLog, manager: CheckpointManager
) -> None:
    first = manager.save("j", "a", {}, ack="durable")
    forge(archived_log, "j", "2", str(first.incarnation))
    refused = manager.save("j", "b", {})
    after = manager.save("j", "c", {}, ack="durable")
    with CheckpointManager(archived_log.settings) as other:
        other.wait_until_durable(first, after)
        with pytest.raises(EventRefused):
            other.wait_until_durable(first, refused, after)
    with pytest.raises(EventRefused):
        manager.wait_until_durable(refused)


def test_a_batch_with_one_event_that_is_refused_is_not_durable(
    archived_log: RealLog, manager: CheckpointManager
) -> None:
    first = manager.save("j", "a", {}, ack="durable")
    forge(archived_log, "j", "3", str(first.incarnation))
    with pytest.raises(EventRefused):
        manager.save_many([("j", "b", {}), ("j", "c", {}), ("j", "d", {})], ack="durable")
    with closing(archived_log.archive()) as archive:
        assert [one.version for one in archive.job_history("j")] == [1, 3, 2, 4]


def test_a_dead_letter_that_became_an_event_after_all_is_durable(
    archived_log: RealLog, manager: CheckpointManager
) -> None:
    first = manager.save("j", "a", {}, ack="durable")
    forged = forge(archived_log, "j", "2", str(first.incarnation))
    refused = manager.save("j", "b", {})
    with pytest.raises(EventRefused):
        manager.wait_until_durable(refused)

    assert archived_log.settings.postgres_url
    path = f"-c search_path={archived_log.settings.namespace}"
    with psycopg.connect(archived_log.settings.postgres_url, options=path) as owner:
        owner.execute("DELETE FROM event WHERE (ms, seq) = (%s, %s)", [*forged])
    with closing(archived_log.archive()) as archive:
        [buried] = dead_letters.find(archive)
        dead_letters.retry(archive, buried)
    manager.wait_until_durable(refused)


def test_one_that_was_discarded_stays_refused(
    archived_log: RealLog, manager: CheckpointManager
) -> None:
    first = manager.save("j", "a", {}, ack="durable")
    forge(archived_log, "j", "2", str(first.incarnation))
    refused = manager.save("j", "b", {})
    manager.save("j", "c", {}, ack="durable")
    with closing(archived_log.archive()) as archive:
        [buried] = dead_letters.find(archive)
        dead_letters.discard(archive, buried)
    with pytest.raises(EventRefused):
        manager.wait_until_durable(refused)


@pytest.mark.parametrize(
    ("version", "incarnation", "name"),
    [
        ("2", "1-0", "*"),
        ("2", "", "*"),
        ("1", "{incarnation}", "*"),
        ("99999999999999999999", "{incarnation}", "*"),
        ("5", "4000000000000-0", "*"),
        ("2", "{incarnation}", "4000000000000-7"),
        ("2", "{incarnation}", "18446744073709551614-0"),
        ("no number", "", "*"),
    ],
)
def test_a_save_after_a_forged_entry_is_in_the_archive_or_raises(
    archived_log: RealLog, manager: CheckpointManager, version: str, incarnation: str, name: str
) -> None:
    first = manager.save("j", "a", {}, ack="durable")
    forge(archived_log, "j", version, incarnation.format(incarnation=first.incarnation), name)
    for stage in "bcd":
        saved = manager.save("j", stage, {})
        try:
            manager.wait_until_durable(saved)
        except EventRefused:
            assert not archived(archived_log, saved)
        else:
            assert archived(archived_log, saved)
    assert archived(archived_log, saved) == (not name.startswith("1844"))


def test_a_snapshotter_that_takes_over_vouches_for_no_dead_letter(archived_log: RealLog) -> None:
    log = archived_log
    with CheckpointManager(log.settings) as manager:
        with a_snapshotter_runs(log):
            first = manager.save("j", "a", {}, ack="durable")
        forge(log, "j", "2", str(first.incarnation))
        refused = manager.save("j", "b", {})
        log.store()  # and dies before it publishes the watermark
        manager.save("j", "c", {})
        with a_snapshotter_runs(log), pytest.raises(EventRefused):
            manager.wait_until_durable(refused)


def test_a_dead_letter_in_a_log_that_was_lost_meanwhile_is_refused(archived_log: RealLog) -> None:
    log = archived_log
    with CheckpointManager(log.settings) as manager:
        with a_snapshotter_runs(log):
            first = manager.save("j", "a", {}, ack="durable")
            forge(log, "j", "2", str(first.incarnation))
            refused = manager.save("j", "b", {})
            manager.save("j", "c", {}, ack="durable")
        for lose in (log.client.script_flush, log.client.flushall):
            lose()
            log.run(keep_whole(log.settings.namespace, print))
            with pytest.raises(EventRefused), a_snapshotter_runs(log):
                manager.wait_until_durable(refused)


def test_a_spooled_event_that_the_archive_refuses_is_not_durable(
    postgres_url: str, namespace: str, tmp_path: Path
) -> None:
    with Valkey(tmp_path / "valkey") as valkey:
        settings = Settings(
            redis_url=valkey.url, postgres_url=postgres_url, namespace=namespace, timeout=1.0
        )
        with CheckpointManager(settings, spool=tmp_path / "spool.db") as manager:
            first = manager.save("j", "a", {})
            valkey.stop()
            spooled = manager.save("j", "b", {})
            valkey.start()
            with closing(RealLog(settings)) as log, a_snapshotter_runs(log):
                log.run(keep_whole(namespace, print))
                forge(log, "j", "2", str(first.incarnation))
                with pytest.raises(EventRefused):
                    manager.within(10).wait_until_durable(spooled)
                manager.wait_until_durable(first)
