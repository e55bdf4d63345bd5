"""The snapshotter on real servers: slices to chapters, each once, and the watermark after them."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from time import sleep
from typing import Any

import psycopg
import pytest
from histories import Act, event_of
from losing_proxy import losing_proxy
from processes import eventually
from real_log import RealLog, a_snapshotter_runs, forever, projecting, put, snapshotting

from checkpoint.events.append import Request
from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.errors import ArchiveUnavailable
from checkpoint.events.settings import Settings
from checkpoint.events.slices import Slice
from checkpoint.snapshotter import schema
from checkpoint.snapshotter.archive import Archive
from checkpoint.snapshotter.schema import query


@pytest.fixture
def archived_settings(redis_url: str, postgres_url: str, namespace: str) -> Settings:
    return Settings(
        redis_url=redis_url, postgres_url=postgres_url, namespace=namespace, partitions=1
    )


@pytest.fixture
def log(archived_log: RealLog) -> RealLog:
    return archived_log


def complete(log: RealLog, *stages: str, job: str = "j") -> None:
    for stage in stages:
        log.append(Request(event_of(Act("complete", job, stage, {"of": stage}))))


def hand_in(log: RealLog, *parts: Slice, archive: Archive | None = None) -> list[bool]:
    """Hand slices in all at once; return for each whether it was stored."""

    async def work() -> list[bool]:
        async with snapshotting(log.settings, archive) as snapshotter:
            stored = await asyncio.gather(*(put(snapshotter, part) for part in parts))
            await asyncio.to_thread(eventually, lambda: watermark(log) >= position(log))
            return stored

    return asyncio.run(work())


def the_slices(log: RealLog, size: int) -> list[Slice]:
    return list(log.slices(0, forever(size)))


def watermark(log: RealLog) -> EntryId:
    if not log.client.exists(log.partition(0).watermark):
        return ZERO
    found: Any = log.client.xinfo_stream(log.partition(0).watermark)
    return EntryId.parse(found["last-generated-id"])


def position(log: RealLog) -> EntryId:
    """Return the archive's position."""
    with closing(log.archive()) as archive:
        return archive.positions()[0]


def stored(log: RealLog) -> list[EntryId]:
    archive = log.archive()
    ids = [entry.id for entry in archive.entries(0, ZERO)]
    archive.close()
    return ids


def ids(log: RealLog) -> list[EntryId]:
    return [EntryId.parse(name) for name, _ in log.raw(0)]


def test_slices_are_stored_in_order_and_the_watermark_follows(log: RealLog) -> None:
    complete(log, "a", "b", "c", "d")
    assert watermark(log) == ZERO
    assert hand_in(log, *the_slices(log, 1)) == [True] * 4
    assert stored(log) == ids(log)
    assert watermark(log) == ids(log)[-1]


def test_slices_that_come_again_are_settled_and_stored_once(log: RealLog) -> None:
    complete(log, "a", "b", "c")
    parts = the_slices(log, 1)
    assert hand_in(log, *parts, parts[0], parts[2], log.slice(0) or parts[0]) == [True] * 6
    assert stored(log) == ids(log)


def test_a_slice_after_a_gap_is_handed_back(log: RealLog) -> None:
    complete(log, "a", "b", "c")
    first, second, third = the_slices(log, 1)
    assert hand_in(log, first, third) == [True, False]
    assert watermark(log) == ids(log)[0]
    assert hand_in(log, second, third) == [True, True]
    assert stored(log) == ids(log)


def test_two_snapshotters_that_race_store_each_entry_once(log: RealLog) -> None:
    complete(log, *(f"s{n}" for n in range(40)))

    async def race() -> None:
        async with snapshotting(log.settings) as one, snapshotting(log.settings) as two:
            await asyncio.gather(
                *(put(one, part) for part in the_slices(log, 3)),
                *(put(two, part) for part in the_slices(log, 5)),
            )
            await asyncio.to_thread(eventually, lambda: watermark(log) == ids(log)[-1])

    asyncio.run(race())
    assert stored(log) == ids(log)
    assert watermark(log) == ids(log)[-1]


@pytest.mark.parametrize(
    "fields",
    [
        {"hello": "world"},
        {"event": "\0garbage\udcff".encode(errors="replace"), "version": "1", "incarnation": ""},
        {"event": '{"type":"a\\u0000b","job":"j"}', "version": "1", "incarnation": ""},
        {"event": '{"type":"job_deleted","job":"j"}', "version": str(2**70), "incarnation": ""},
        {
            "event": '{"type":"job_deleted","job":"j"}',
            "version": "1",
            "incarnation": "0-" + "9" * 30,
        },
        {
            "event": '{"type":"stage_completed","job":"j","stage":"s","data":"\\u0000"}',
            "version": "2",
            "incarnation": "",
        },
        {
            "event": '{"type":"stage_completed","job":"j","stage":"s","data":'
            + "[" * 100_000  # deeper than any Python reads; how deep that is, each has its own way
            + "]" * 100_000
            + "}",
            "version": "2",
            "incarnation": "",
        },
    ],
)
def test_poison_becomes_a_dead_letter_and_the_rest_is_stored(
    log: RealLog, fields: dict[str, Any]
) -> None:
    complete(log, "a")
    poison: Any = log.client.xadd(log.partition(0).log, fields)
    complete(log, "b")
    assert all(hand_in(log, *the_slices(log, 10)))
    assert stored(log) == [one for one in ids(log) if str(one) != poison.decode()]
    assert watermark(log) == ids(log)[-1]
    with psycopg.connect(log.settings.postgres_url or "") as connection:
        schema.enter(connection, log.settings.namespace)
        rows = connection.execute("SELECT ms, seq, fields FROM dead_letter").fetchall()
        data = connection.execute("SELECT payload FROM payload").fetchall()
    assert [f"{ms}-{seq}" for ms, seq, _ in rows] == [poison.decode()]
    assert len(rows[0][2]) == 2 * len(fields)
    assert [row[0] for row in data] == [{"of": "a"}, {"of": "b"}]


class CrashingArchive(Archive):
    """An archive whose snapshotter dies after a commit, before anybody hears of it."""

    def store(self, chapters: Any) -> Any:
        super().store(chapters)
        raise SystemError("killed here")


def test_a_crash_between_commit_and_publishing_loses_and_doubles_nothing(log: RealLog) -> None:
    complete(log, "a", "b", "c")
    first, *rest = the_slices(log, 1)
    url = log.settings.postgres_url or ""

    settled: list[bool] = []

    async def crash() -> None:
        archive = CrashingArchive(url, log.settings.namespace)
        async with snapshotting(log.settings, archive) as snapshotter:
            snapshotter.put(first, settled.append)
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as crashed:
        asyncio.run(crash())
    assert crashed.group_contains(SystemError, match="killed here")
    assert settled == []
    assert watermark(log) == ZERO
    assert stored(log) == ids(log)[:1]

    async def start_again() -> EntryId:
        async with snapshotting(log.settings) as snapshotter:
            position = await asyncio.to_thread(snapshotter.position, 0)
            assert watermark(log) == position  # what the dead one committed is published now
            await asyncio.gather(*(put(snapshotter, part) for part in [first, *rest]))
            return position

    assert asyncio.run(start_again()) == ids(log)[0]
    assert stored(log) == ids(log)
    assert watermark(log) == ids(log)[-1]


class ArchiveThatComesBack(Archive):
    """An archive that is away for the first calls."""

    refusals = 2

    def store(self, chapters: Any) -> Any:
        if self.refusals:
            self.refusals -= 1
            raise ArchiveUnavailable
        return super().store(chapters)


def test_an_archive_that_is_away_is_waited_for(log: RealLog) -> None:
    complete(log, "a", "b")
    archive = ArchiveThatComesBack(log.settings.postgres_url or "", log.settings.namespace)
    assert hand_in(log, *the_slices(log, 1), archive=archive) == [True, True]
    assert stored(log) == ids(log)


def test_a_connection_that_postgres_cuts_is_no_end(log: RealLog) -> None:
    complete(log, "a", "b")
    first, second = the_slices(log, 1)

    async def work() -> None:
        async with snapshotting(log.settings) as snapshotter:
            assert await put(snapshotter, first)
            with psycopg.connect(log.settings.postgres_url or "", autocommit=True) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            assert await put(snapshotter, second)

    asyncio.run(work())
    assert stored(log) == ids(log)


def test_a_redis_that_is_away_while_the_watermark_is_published_is_waited_for(
    log: RealLog,
) -> None:
    complete(log, "a", "b")
    first, second = the_slices(log, 1)
    with losing_proxy(log.settings.redis_url) as proxy:
        through = Settings(proxy.url, log.settings.postgres_url, log.settings.namespace)

        async def work() -> None:
            async with snapshotting(through) as snapshotter:
                assert await put(snapshotter, first)
                assert watermark(log) == first.last
                proxy.cut()
                storing = asyncio.create_task(put(snapshotter, second))
                await asyncio.to_thread(eventually, lambda: stored(log) == ids(log))
                assert watermark(log) == first.last
                proxy.mend()
                assert await storing
                assert watermark(log) == second.last

        asyncio.run(work())


def trimmed(log: RealLog, margin_ms: int = 0) -> int:
    """Trim partition 0; return how many entries are left."""

    async def trim() -> None:
        async with snapshotting(log.settings, margin_ms=margin_ms) as snapshotter:
            await asyncio.to_thread(snapshotter.trim, [0])

    asyncio.run(trim())
    return int(log.client.xlen(log.partition(0).log))


def fill(log: RealLog) -> int:
    """Append enough that Redis can trim whole nodes of the stream."""
    log.append(*(Request(event_of(Act("complete", "j", f"s{n}", n))) for n in range(1000)))
    return 1000


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [RealLog.project],
        [RealLog.store],
        [RealLog.store, RealLog.project],
    ],
)
def test_the_log_is_trimmed_only_as_far_as_view_and_published_archive_go(
    log: RealLog, steps: list[Callable[[RealLog], None]]
) -> None:
    count = fill(log)
    for step in steps:
        step(log)
    assert trimmed(log) == count


def test_the_log_is_never_trimmed_past_the_watermark(log: RealLog) -> None:
    count = fill(log)
    log.project()
    assert hand_in(log, the_slices(log, 300)[0]) == [True]
    eventually(lambda: trimmed(log), wanted=lambda left: left < count)
    assert trimmed(log) >= count - 300


def test_the_log_is_never_trimmed_past_the_views(log: RealLog) -> None:
    count = fill(log)
    with projecting(log.settings) as apply:
        apply(the_slices(log, 300)[0])
    assert all(hand_in(log, *the_slices(log, 1000)))
    eventually(lambda: trimmed(log), wanted=lambda left: left < count)
    assert trimmed(log) >= count - 300


def test_what_view_and_archive_have_is_trimmed_but_for_the_margin(log: RealLog) -> None:
    count = fill(log)
    log.project()
    assert all(hand_in(log, *the_slices(log, 1000)))
    assert trimmed(log, margin_ms=600_000) == count
    eventually(lambda: trimmed(log), wanted=lambda left: left < count)
    complete(log, "one-more")
    assert log.fold("j").checkpoints["one-more"]


def test_a_position_comes_from_the_archive_alone(log: RealLog) -> None:
    complete(log, "a")
    log.store()
    log.client.delete(log.partition(0).watermark)

    async def position() -> EntryId:
        async with snapshotting(log.settings) as snapshotter:
            return await asyncio.to_thread(snapshotter.position, 0)

    assert asyncio.run(position()) == ids(log)[0] == watermark(log)


def test_an_older_watermark_never_replaces_a_newer_one(log: RealLog) -> None:
    complete(log, "a", "b")
    log.client.xadd(log.partition(0).watermark, {"archived": "1"}, id=str(ids(log)[1]))
    assert hand_in(log, the_slices(log, 1)[0]) == [True]
    assert watermark(log) == ids(log)[1]


def test_a_running_snapshotter_keeps_up(log: RealLog) -> None:
    with a_snapshotter_runs(log):
        for n in range(20):
            complete(log, f"s{n}")
            eventually(lambda: watermark(log) == ids(log)[-1])
    assert stored(log) == ids(log)
    assert log.client.xlen(log.partition(0).watermark) == 1  # it is one id, not a history


def test_many_slices_share_a_commit(log: RealLog) -> None:
    complete(log, *(f"s{n}" for n in range(30)))
    commits: list[int] = []

    class Counting(Archive):
        def store(self, chapters: Any) -> Any:
            commits.append(len(chapters))
            return super().store(chapters)

    archive = Counting(log.settings.postgres_url or "", log.settings.namespace)
    assert all(hand_in(log, *the_slices(log, 1), archive=archive))
    assert sum(commits) == 30
    assert len(commits) < 10


def test_who_stops_does_not_wait_for_a_postgres_that_does_not_answer(
    log: RealLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("checkpoint.snapshotter.archive.LOCK_MS", 20_000)
    monkeypatch.setattr("checkpoint.snapshotter.snapshotter.STOP_SECONDS", 0.1)
    complete(log, "a")
    assert log.settings.postgres_url
    (part,) = the_slices(log, 1)
    path = f"-c search_path={log.settings.namespace}"
    waiting = (
        "SELECT 1 FROM pg_locks WHERE transactionid = pg_current_xact_id()::xid AND NOT granted"
    )

    async def store_and_stop(busy: psycopg.Connection) -> None:
        async with snapshotting(log.settings) as snapshotter:
            snapshotter.put(part, lambda _: None)
            await asyncio.to_thread(eventually, lambda: busy.execute(waiting).fetchall())

    with psycopg.connect(log.settings.postgres_url, options=path) as busy:
        busy.execute(query("lock_positions"), [[0]])
        asyncio.run(asyncio.wait_for(store_and_stop(busy), 5))
    assert stored(log) == []


def test_nor_does_who_stops_while_it_connects(
    log: RealLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("checkpoint.snapshotter.snapshotter.STOP_SECONDS", 0.1)
    complete(log, "a")
    assert log.settings.postgres_url
    (part,) = the_slices(log, 1)
    path = f"-c search_path={log.settings.namespace}"
    waiting = "SELECT 1 FROM pg_locks WHERE relation = 'migration'::regclass AND NOT granted"

    async def store_and_stop(busy: psycopg.Connection) -> None:
        async with snapshotting(log.settings) as snapshotter:
            snapshotter.put(part, lambda _: None)
            await asyncio.to_thread(eventually, lambda: busy.execute(waiting).fetchall())

    with psycopg.connect(log.settings.postgres_url, options=path) as busy:
        busy.execute("LOCK TABLE migration")  # as one that migrates may hold it
        letting_go = threading.Timer(5, busy.rollback)  # that this test ends in any case
        letting_go.start()
        asyncio.run(store_and_stop(busy))
        letting_go.cancel()
    assert stored(log) == []


def test_a_process_that_hangs_in_the_middle_of_a_copy_does_not_stop_the_others(
    log: RealLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that was stopped (SIGSTOP): Postgres waits for it, whatever its timeouts."""
    monkeypatch.setattr("checkpoint.snapshotter.archive.LOCK_MS", 200)
    complete(log, "a", "b")
    assert log.settings.postgres_url
    path = f"-c search_path={log.settings.namespace}"
    with (
        psycopg.connect(log.settings.postgres_url, options=path) as hung,
        suppress(psycopg.OperationalError),
    ):
        hung.execute(query("lock_positions"), [[0]])
        with hung.cursor() as cursor, cursor.copy(query("copy_events")):
            archive = log.archive()
            sleep(0.3)
            with pytest.raises(ArchiveUnavailable, match="lock timeout"):
                archive.store([log.chapter(0)])
            archive.store([log.chapter(0)])
            assert archive.positions()[0] == ids(log)[-1]
            archive.close()
