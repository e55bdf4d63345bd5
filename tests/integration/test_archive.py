"""The archive on a real Postgres: each entry once, in the order of the log, never changed."""

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import msgspec
import psycopg
import pytest
from histories import Act, MemoryLog, event_of, histories, log_of
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from processes import eventually
from psycopg.sql import SQL, Identifier

from checkpoint.events import codec
from checkpoint.events import entry as log_entry
from checkpoint.events.creation import Log
from checkpoint.events.entry import DeadLetter, Entry
from checkpoint.events.entry_id import MAX_SEQ, ZERO, EntryId
from checkpoint.events.errors import ArchiveUnavailable, InvalidSettings
from checkpoint.events.event import StageCompleted
from checkpoint.snapshotter import restorations, storing
from checkpoint.snapshotter.archive import Archive
from checkpoint.snapshotter.schema import query
from checkpoint.snapshotter.storing import Archived, Chapter

LOG = Log("log-1", 4)


@pytest.fixture
def archive(postgres_url: str, namespace: str) -> Iterator[Archive]:
    made = Archive(postgres_url, namespace)
    made.register_log(LOG)
    yield made
    made.close()


@pytest.fixture
def sql(postgres_url: str, namespace: str, archive: Archive) -> Iterator[psycopg.Connection]:
    """Look at the archive's tables as their owner does."""
    assert archive.log() == LOG
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("SELECT set_config('search_path', %s, false)", [f'"{namespace}"'])
        yield connection


def stages(count: int, job: str = "j") -> list[Entry]:
    """Make the entries of a job that completed so many stages."""
    return log_of([Act("complete", job, f"stage-{n}", n) for n in range(count)]).entries


def chapter(
    entries: Sequence[Entry], after: EntryId = ZERO, partition: int = 0, **more: Any
) -> Chapter:
    return Chapter(partition, after, entries[-1].id, entries, **more)


def stored(archive: Archive, partition: int = 0) -> list[Entry]:
    return list(archive.entries(partition, ZERO))


def dead_letters(sql: psycopg.Connection) -> list[tuple[Any, ...]]:
    return sql.execute(
        "SELECT ms, seq, fields, reason FROM dead_letter ORDER BY ms, seq"
    ).fetchall()


def forged(entry: Entry, **changes: Any) -> Entry:
    return entry._replace(**changes)


def test_a_child_has_a_connection_of_its_own_and_leaves_the_parents_open(archive: Archive) -> None:
    def ask() -> str:
        row = archive.transact(lambda one: one.execute("SELECT pg_backend_pid()::text").fetchone())
        assert row is not None
        return str(row[0])

    parents = ask()
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.write(writing, ask().encode())
            archive.close()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as told:
        assert told.read() not in {"", parents}
    assert ask() == parents


def test_a_run_of_redis_goes_on_anew_after_another_run_did(archive: Archive) -> None:
    """A primary that became a replica and is a primary again has the same name of its run."""
    ends = {0: EntryId(5, 0), 1: ZERO}
    assert archive.resume("a", ends, 10) == {0: 10, 1: 10}
    assert archive.resume("a", ends, 12) == {0: 10, 1: 10}
    assert archive.resume("b", {0: EntryId(20, 0)}, 30) == {0: 30}
    assert archive.resume("a", {0: EntryId(33, 0), 1: ZERO}, 40) == {0: 40, 1: 10}
    resumed = [(one.archived.ms, one.resumed_ms) for one in recoveries_of(archive, 0)]
    assert resumed == [(5, 10), (20, 30), (33, 40)]


def recoveries_of(archive: Archive, partition: int) -> list[restorations.Restoration]:
    return [one for one in restorations.on_record(archive) if one.partition == partition]


# Once each


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
@pytest.mark.parametrize("count", [1, 10])
def test_events_are_the_same_whatever_encoding_clients_have_by_default(
    count: int, encoding: str, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", encoding)
    archive.close()
    entries = stages(count, "Über")
    archive.store([chapter(entries)])
    assert stored(archive) == entries


@pytest.mark.parametrize("count", [1, 10])
def test_the_time_of_an_entry_is_the_same_in_every_time_zone(
    count: int, archive: Archive, sql: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGTZ", "Europe/Istanbul")  # an hour ahead of what it was 30 years ago
    november = EntryId(1_795_000_000_000, 0)
    entries = [forged(one, id=EntryId(november.ms, n)) for n, one in enumerate(stages(count))]
    archive.close()
    archive.store([chapter(entries)])
    wrong = sql.execute("SELECT at FROM event WHERE extract(epoch FROM at) <> ms / 1000.0")
    assert wrong.fetchall() == []


def test_what_is_stored_comes_back_as_it_was(archive: Archive) -> None:
    log = MemoryLog()
    for act in [
        Act("complete", "j", "cut", {"n": [1, 2.5, None, "ü🎬"]}),
        Act("fail", "j", "mix"),
        Act("claim", "j"),
        Act("release", "j"),
        Act("delete", "j"),
        Act("complete", "j", "cut", 2),
    ]:
        log.append(event_of(act), pass_ms=1)
    assert archive.store([chapter(log.entries)]) == {0: Archived(log.entries[-1].id, ZERO)}
    assert stored(archive) == log.entries


@pytest.mark.parametrize("size", [4, storing.FEW_BYTES, 3 * storing.FEW_BYTES])
@pytest.mark.parametrize("count", [1, storing.FEW, storing.FEW + 1])
def test_however_much_is_stored_at_once_it_comes_back_as_it_was(
    archive: Archive, sql: psycopg.Connection, count: int, size: int
) -> None:
    log = log_of([Act("complete", "j", f"stage-{n}", "\\ü'" * (size // 4)) for n in range(count)])
    archive.store([chapter(log.entries)])
    assert stored(archive) == log.entries
    assert dead_letters(sql) == []


def test_a_page_of_a_table_without_statistics_is_read_along_the_index(
    archive: Archive, sql: psycopg.Connection
) -> None:
    sql.execute("ALTER TABLE event SET (autovacuum_enabled = off)")
    archive.store([chapter(stages(20_000))])
    values = [0, 0, 0, 2**62, 1000]

    def plan(connection: psycopg.Connection) -> list[tuple[str]]:
        return connection.execute(b"EXPLAIN " + query("page"), values).fetchall()

    steps = "".join(line for (line,) in archive.transact(plan))
    assert "Index Scan using event_pkey" in steps
    assert "Sort" not in steps


@hypothesis_settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(acts=histories(max_size=12).filter(bool), draw=st.data())
def test_each_entry_is_stored_once_however_its_chapters_repeat_and_overlap(
    archive: Archive, sql: psycopg.Connection, acts: list[Act], draw: st.DataObject
) -> None:
    sql.execute("TRUNCATE event; UPDATE position SET ms = 0, seq = 0")
    entries = log_of(acts).entries
    position = 0
    while position < len(entries):
        start = draw.draw(st.integers(0, position))
        end = draw.draw(st.integers(max(start, position - 1) + 1, len(entries)))
        after = entries[start - 1].id if start else ZERO
        archive.store([chapter(entries[start:end], after)])
        position = max(position, end)
    assert stored(archive) == entries
    assert dead_letters(sql) == []


def test_one_call_takes_several_chapters_of_one_partition(archive: Archive) -> None:
    entries = stages(9)
    first, second, third = entries[:3], entries[3:6], entries[6:]
    reached = archive.store(
        [
            chapter(first),
            chapter(stages(2, "other"), partition=1),
            chapter(second, first[-1].id),
            chapter(second, first[-1].id),
            chapter(third, second[-1].id),
        ]
    )
    assert reached[0].position == entries[-1].id
    assert stored(archive) == entries
    assert len(stored(archive, 1)) == 2


def test_a_chapter_after_a_gap_is_not_stored_and_the_position_stays(archive: Archive) -> None:
    entries = stages(6)
    archive.store([chapter(entries[:2])])
    reached = archive.store([chapter(entries[4:], entries[3].id)])
    assert reached == {0: Archived(entries[1].id, ZERO)}
    assert stored(archive) == entries[:2]
    assert archive.positions()[0] == entries[1].id


def test_a_gap_in_one_partition_does_not_keep_another_out(archive: Archive) -> None:
    entries, others = stages(4), stages(4, "other")
    reached = archive.store([chapter(entries[2:], entries[1].id), chapter(others, partition=1)])
    assert reached == {0: Archived(ZERO, ZERO), 1: Archived(others[-1].id, ZERO)}


def test_a_chapter_of_nothing_but_foreign_entries_moves_the_position(archive: Archive) -> None:
    letter = DeadLetter(EntryId(5, 0), [b"hello", b"world"], "no event")
    archive.store([Chapter(0, ZERO, EntryId(5, 0), [], [letter])])
    assert archive.positions()[0] == EntryId(5, 0)


def test_of_racing_snapshotters_each_entry_is_stored_once(
    postgres_url: str, namespace: str, archive: Archive, sql: psycopg.Connection
) -> None:
    entries = stages(200)
    others = stages(200, "other")
    start = threading.Barrier(4)

    def race(size: int) -> None:
        mine = Archive(postgres_url, namespace)
        mine.positions()
        start.wait()
        for n in range(0, 200, size):
            # in opposite orders of partitions, as two workers may come by them
            parts = [
                chapter(rows[n : n + size], rows[n - 1].id if n else ZERO, partition)
                for partition, rows in ((0, entries), (1, others))
            ]
            mine.store(parts if size % 2 else parts[::-1])
        mine.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(race, [10, 25, 40, 5]))
    assert stored(archive) == entries
    assert stored(archive, 1) == others
    assert dead_letters(sql) == []  # no row came twice and was refused


def test_one_archive_serves_many_threads(archive: Archive) -> None:
    archive.store([chapter(stages(3))])
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: len(archive.job_entries("j")[0]), range(40)))
    assert found == [3] * 40


# Poison


@pytest.mark.parametrize("count", [4, 40])
@pytest.mark.parametrize(
    "changes",
    [
        {"version": 0},
        {"version": -1},
        {"version": 2**63},
        {"version": 10**30},
        {"incarnation": EntryId(2**63, 0)},
        {"incarnation": EntryId(1, MAX_SEQ)},
        {"encoded": b'{"type":"job_deleted","job":"\xff"}'},
        {"encoded": b'{"type":"job_deleted","job":"j"'},
        {"encoded": b'{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}"},
        {"event": StageCompleted(job="nul\0", stage="cut")},
        {"version": 1},  # the version that another row of the incarnation has
    ],
)
def test_a_row_that_the_table_refuses_becomes_a_dead_letter_and_the_rest_is_stored(
    archive: Archive, sql: psycopg.Connection, changes: dict[str, Any], count: int
) -> None:
    entries = stages(count)
    poison = forged(entries[-3], **changes)
    archive.store([chapter([*entries[:-3], poison, *entries[-2:]])])
    assert stored(archive) == [*entries[:-3], *entries[-2:]]
    [(ms, seq, fields, reason)] = dead_letters(sql)
    assert (ms, seq) == poison.id
    assert list(fields) == log_entry.fields(poison)
    assert reason
    assert archive.positions()[0] == entries[-1].id


def test_an_entry_id_beyond_the_table_is_a_dead_letter(
    archive: Archive, sql: psycopg.Connection
) -> None:
    entries = stages(3)
    far = forged(entries[2], id=EntryId(entries[2].id.ms, MAX_SEQ))
    archive.store([chapter([*entries[:2], far])])
    assert stored(archive) == entries[:2]
    assert [tuple(row[:2]) for row in dead_letters(sql)] == [far.id]
    assert archive.positions()[0] == far.id


def test_a_time_beyond_the_calendar_is_a_dead_letter(
    archive: Archive, sql: psycopg.Connection
) -> None:
    entries = stages(2)
    far = forged(entries[1], id=EntryId(2**63 - 1, 0))
    archive.store([chapter([entries[0], far])])
    assert stored(archive) == entries[:1]
    assert len(dead_letters(sql)) == 1


def test_what_is_no_event_is_kept_with_its_bytes_and_reason(
    archive: Archive, sql: psycopg.Connection
) -> None:
    entries = stages(2)
    letters = [
        DeadLetter(EntryId(7, 1), [b"event", b"\0\xff garbage", b"", b""], "Not an event: \x00"),
        DeadLetter(EntryId(7, MAX_SEQ), [], "nothing in it"),
    ]
    archive.store([Chapter(0, ZERO, entries[-1].id, entries, letters)])
    assert stored(archive) == entries
    rows = dead_letters(sql)
    assert [tuple(row[:2]) for row in rows] == [letter.id for letter in letters]
    assert [list(row[2]) for row in rows] == [letter.fields for letter in letters]
    assert rows[1][3] == "nothing in it"


def test_a_dead_letter_that_comes_again_is_the_same_one(
    archive: Archive, sql: psycopg.Connection
) -> None:
    letter = DeadLetter(EntryId(5, 0), [b"a", b"b"], "no event")
    part = Chapter(0, ZERO, EntryId(5, 0), [], [letter])
    archive.store([part])
    archive.store([part])
    assert len(dead_letters(sql)) == 1


# Exact bytes


@pytest.mark.parametrize(
    "data",
    [
        b'{"n":1e23}',
        b'{"n":-0.0}',
        b'{"n":0.1,"m":1E5}',
        b'{"z":1,"a":2,"z":3}',
        b'{ "spaces" : [ 1 , 2 ] }',
        b'{"u":"\\u00fc\\ud83c\\udfac","v":"\xc3\xbc"}',
        b'{"n":18446744073709551615,"m":123456789012345678901234567890.5}',
        b"null",
        b'"text"',
    ],
)
def test_the_events_own_bytes_come_back(archive: Archive, data: bytes) -> None:
    encoded = codec.encode(StageCompleted(job="j", stage="cut", data=msgspec.Raw(data)))
    [entry] = stages(1)
    entry = entry._replace(encoded=encoded, event=codec.decode(encoded))
    archive.store([chapter([entry])])
    assert archive.job_entries("j")[0][0].encoded == encoded
    assert data in stored(archive)[0].encoded


def test_the_payload_view_has_the_data_as_jsonb(archive: Archive, sql: psycopg.Connection) -> None:
    log = log_of([Act("complete", "j", "cut", {"width": 1920}), Act("fail", "j", "mix")])
    archive.store([chapter(log.entries)])
    rows = sql.execute(
        "SELECT version, type, stage, pg_typeof(payload)::text, payload ->> 'width' FROM payload "
        "ORDER BY ms, seq"
    ).fetchall()
    assert rows == [
        (1, "stage_completed", "cut", "jsonb", "1920"),
        (2, "stage_failed.2", "mix", "jsonb", None),
    ]


def test_a_row_has_the_time_of_its_entry(archive: Archive, sql: psycopg.Connection) -> None:
    entries = stages(2)
    poison = forged(entries[1], version=0)
    archive.store([chapter([entries[0], poison, forged(entries[1], id=EntryId(2**41, 0))])])
    times = [row[0] for row in sql.execute("SELECT at FROM event ORDER BY ms, seq")]
    assert times == [entries[0].id.time, EntryId(2**41, 0).time]


# A job


def test_a_job_is_its_latest_incarnation_in_order(archive: Archive) -> None:
    acts = [Act("complete", "j", "cut", 1), Act("delete", "j"), Act("complete", "j", "mix", 2)]
    log = log_of([*acts, Act("complete", "j", "cut", 3), Act("complete", "k", "cut", 4)])
    archive.store([chapter(log.entries)])
    entries, now_ms = archive.job_entries("j")
    assert entries == log.of("j")[2:]
    assert now_ms > 1_700_000_000_000
    assert archive.job_entries("never")[0] == []


def test_reading_goes_on_after_an_entry_id(archive: Archive) -> None:
    entries = stages(10)
    archive.store([chapter(entries)])
    assert list(archive.entries(0, entries[3].id)) == entries[4:]


# Never changed


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event SET version = version + 1",
        "DELETE FROM event",
        "TRUNCATE event",
        "DROP TABLE event",
        "ALTER TABLE event DISABLE TRIGGER ALL",
        "UPDATE log SET id = 'another'",
        "DELETE FROM log",
        "DELETE FROM position",
        "UPDATE migration SET version = 0",
        "CREATE TABLE mine (a int)",
    ],
)
def test_the_writers_role_cannot_change_what_is_written(
    archive: Archive, sql: psycopg.Connection, statement: str
) -> None:
    archive.store([chapter(stages(2))])
    sql.execute("SET ROLE checkpoint_writer")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        sql.execute(statement)
    assert len(stored(archive)) == 2


@pytest.mark.parametrize("table", ["event", "dead_letter", "position", "log", "payload"])
def test_the_readers_role_reads_and_does_no_more(sql: psycopg.Connection, table: str) -> None:
    sql.execute("SET ROLE checkpoint_reader")
    name = Identifier(table)
    sql.execute(SQL("SELECT * FROM {}").format(name))
    for statement in ("DELETE FROM {}", "INSERT INTO {} DEFAULT VALUES"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            sql.execute(SQL(statement).format(name))


def test_the_archive_itself_writes_in_the_writers_role(
    archive: Archive, sql: psycopg.Connection, namespace: str
) -> None:
    archive.store([chapter(stages(1))])
    with pytest.raises(ArchiveUnavailable, match="permission denied"):
        archive.transact(lambda ours: ours.execute("DELETE FROM event"))
    assert sql.execute("SELECT count(*) FROM event").fetchone() == (1,), namespace


# Away


def test_a_postgres_that_is_away_is_an_archive_that_is_unavailable(namespace: str) -> None:
    archive = Archive("postgresql://u:hunter2@127.0.0.1:1/db", namespace)
    for ask in (archive.log, archive.positions, lambda: archive.store([])):
        with pytest.raises(ArchiveUnavailable) as away:
            ask()
        assert "hunter2" not in str(away.value)


@pytest.mark.parametrize(
    "conninfo",
    [
        "postgresql://u:hunter2@[::1]x/db",
        "host=127.0.0.1 password = x hunter2",
        "postgresql://u:hunter2%zz@127.0.0.1/db",
    ],
)
def test_a_conninfo_that_libpq_cannot_read_is_refused_without_its_password(
    namespace: str, conninfo: str
) -> None:
    with pytest.raises(InvalidSettings, match="POSTGRES_URL") as refused:
        Archive(conninfo, namespace).log()
    assert "hunter2" not in str(refused.value)
    assert refused.value.__suppress_context__


def test_a_url_that_only_older_libpqs_can_read_is_refused_without_its_password(
    namespace: str,
) -> None:
    conninfo = "postgresql://u:hun ter2hunter2@127.0.0.1:1/db"  # the space: since libpq 18
    with pytest.raises((InvalidSettings, ArchiveUnavailable)) as refused:
        Archive(conninfo, namespace).log()
    assert "hunter2" not in str(refused.value)


def test_a_connection_that_was_cut_while_it_was_idle_is_replaced(
    archive: Archive, sql: psycopg.Connection
) -> None:
    archive.store([chapter(stages(2))])
    sql.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert archive.positions()[0] == stages(2)[-1].id
    assert len(stored(archive)) == 2


def test_a_registered_log_is_not_replaced_by_another(archive: Archive) -> None:
    assert archive.register_log(Log("log-2", 8)) == LOG
    assert archive.log() == LOG
    assert set(archive.positions()) == {0, 1, 2, 3}


def test_what_is_put_on_record_as_lost_while_a_store_waits_for_its_turn_is_refused(
    archive: Archive, sql: psycopg.Connection, postgres_url: str, namespace: str
) -> None:
    entries = stages(1)
    lost = [0, *ZERO, *ZERO, 0, entries[-1].id.ms + 1, "the run after"]
    waiting = (
        "SELECT 1 FROM pg_locks WHERE transactionid = pg_current_xact_id()::xid AND NOT granted"
    )
    other = Archive(postgres_url, namespace)
    with ThreadPoolExecutor() as pool, closing(other):
        with sql.transaction():
            sql.execute(query("lock_positions"), [[0]])
            store = pool.submit(other.store, [chapter(entries)])
            eventually(lambda: sql.execute(waiting).fetchall())
            sql.execute(query("record_restoration"), lost)
        assert store.result() == {0: Archived(ZERO, ZERO)}
    assert stored(archive) == []


def test_a_snapshotter_that_hangs_in_a_transaction_does_not_hold_its_partitions_for_ever(
    archive: Archive, postgres_url: str, namespace: str
) -> None:
    holds, go_on = threading.Event(), threading.Event()
    hung = Archive(postgres_url, namespace)

    def hang(connection: psycopg.Connection) -> None:
        connection.execute(query("lock_positions"), [[0]])
        holds.set()
        go_on.wait()

    def hold() -> None:
        with pytest.raises(ArchiveUnavailable):
            hung.transact(hang)

    with ThreadPoolExecutor() as pool:
        held = pool.submit(hold)
        holds.wait()
        entries = stages(3)
        archive.store([chapter(entries)])
        go_on.set()
        held.result()
    hung.close()
    assert stored(archive) == entries
