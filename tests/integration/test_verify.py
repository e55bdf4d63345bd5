"""Verification on real servers: what is done to log, view or archive is found, and named."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from itertools import count
from typing import Any, LiteralString

import psycopg
import pytest
from histories import STAGES
from psycopg.sql import SQL, Identifier
from psycopg.types.json import Json
from real_log import RealLog, a_snapshotter_runs

from checkpoint import CheckpointManager
from checkpoint.events.append import Request
from checkpoint.events.entry import DeadLetter
from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.errors import ArchiveNotConfigured, LogUnavailable
from checkpoint.events.event import StageCompleted
from checkpoint.events.freshness import Place
from checkpoint.events.settings import Settings
from checkpoint.projector.view import BESIDE_DATA
from checkpoint.query.verify import verify
from checkpoint.query.verify.report import Report
from checkpoint.restore import restore
from checkpoint.snapshotter import dead_letters, digest
from checkpoint.snapshotter.digest import Digest
from checkpoint.snapshotter.discrepancy import Discrepancy
from checkpoint.snapshotter.rows import read_rows
from checkpoint.snapshotter.storing import Chapter


class Verified(list[Discrepancy]):
    """The differences that a verification found, and its report."""

    report: Report


def verified(log: RealLog, settings: Settings | None = None, **how: Any) -> Verified:
    used = settings or log.settings
    found = Verified()
    found.report = Report(found.append, lambda report: None)
    place = Place(used.namespace, log.log.partitions, used.postgres_url is not None)
    runner = log if settings is None else _Elsewhere(log, used)
    runner.run(verify(place, found.report, **how))
    assert found.report.differences == len(found)
    return found


class _Elsewhere:
    def __init__(self, log: RealLog, settings: Settings) -> None:
        self._log, self._settings = log, settings

    def run(self, steps: Any) -> Any:
        from checkpoint.servers import Servers  # noqa: PLC0415 - for this one use

        with closing(Servers(self._settings)) as servers:
            return servers.run(steps)


def kinds(found: list[Discrepancy]) -> set[str]:
    return {one.kind for one in found}


@pytest.fixture
def sql(archived_log: RealLog) -> Iterator[psycopg.Connection]:
    """Be the superuser that nobody guards against."""
    assert archived_log.settings.postgres_url
    with psycopg.connect(archived_log.settings.postgres_url, autocommit=True) as connection:
        name = f'"{archived_log.settings.namespace}"'
        connection.execute("SELECT set_config('search_path', %s, false)", [name])
        yield connection


@pytest.fixture
def log(archived_log: RealLog) -> RealLog:
    """Make a log with jobs whose every event is in views and archive."""
    save(archived_log, *(f"job-{n}" for n in range(6)))
    archived_log.project()
    archived_log.store()
    return archived_log


def save(log: RealLog, *jobs: str) -> None:
    with CheckpointManager(log.settings) as manager:
        for job in jobs:
            for stage in STAGES:
                manager.save(job, stage, {"job": job, "stage": stage})


def archived(sql: psycopg.Connection, number: int) -> list[tuple[int, int, str, int]]:
    return sql.execute(
        "SELECT ms, seq, job, version FROM event WHERE partition = %s ORDER BY ms, seq", [number]
    ).fetchall()


def some_row(sql: psycopg.Connection) -> tuple[int, EntryId, str, int]:
    """Choose a row that has rows before and after it."""
    number = max((0, 1), key=lambda one: len(archived(sql, one)))
    ms, seq, job, version = archived(sql, number)[2]
    return number, EntryId(ms, seq), job, version


# Well


def test_what_is_well_has_no_differences(log: RealLog) -> None:
    found = verified(log)
    assert found == []
    assert (found.report.rows, found.report.jobs) == (18, 6)
    assert found.report.notes == []
    assert verified(log, with_redis=False) == []
    assert verified(log, job="job-1") == []
    assert verified(log, job="never") == []


def test_what_is_on_its_way_is_lag(log: RealLog) -> None:
    save(log, "job-0", "job-7")
    found = verified(log)
    assert found == []
    assert sum("not in the archive yet" in note for note in found.report.notes) in (1, 2)
    assert sum("not in the views yet" in note for note in found.report.notes) in (1, 2)


def test_a_log_without_an_archive_is_verified_by_its_views(
    settings: Settings, redis_url: str
) -> None:
    with closing(RealLog(settings)) as log:
        save(log, "job-1", "job-2")
        log.project()
        assert verified(log) == []
        log.client.lset(log.keys("job-1").view, BESIDE_DATA, '{"forged":1}')
        assert [(one.kind, one.job) for one in verified(log)] == [("view", "job-1")]
        with pytest.raises(ArchiveNotConfigured):
            verified(log, with_redis=False)


def test_deleted_rewound_and_trimmed_jobs_are_well(log: RealLog) -> None:
    with CheckpointManager(log.settings) as manager:
        manager.delete_job_checkpoints("job-1")
        manager.save("job-1", "cut", 1)
        manager.delete_job_checkpoints("job-2")
    log.project()
    log.store()
    for number in log.numbers:
        log.client.xtrim(log.partition(number).log, maxlen=2, approximate=False)
    assert verified(log) == []
    assert verified(log, job="job-1") == []


def test_while_all_is_running_there_is_no_difference(archived_log: RealLog) -> None:
    log = archived_log
    stop = threading.Event()

    def save_on() -> None:
        with CheckpointManager(log.settings) as manager:
            for number in count():
                if stop.wait(0.005):
                    return
                manager.save(f"job-{number % 7}", STAGES[number % 3], {"number": number})
                if number % 50 == 49:
                    manager.delete_job_checkpoints(f"job-{number % 7}")

    def project_on() -> None:
        while not stop.is_set():
            log.project()

    with a_snapshotter_runs(log), ThreadPoolExecutor(2) as threads:
        running = [threads.submit(save_on), threads.submit(project_on)]
        try:
            rows = 0
            while rows < 200:
                found = verified(log)
                assert found == []
                assert verified(log, job="job-1") == []
                rows = found.report.rows
        finally:
            stop.set()
        for one in running:
            one.result()
    log.project()
    log.store()
    found = verified(log)
    assert found == []
    assert found.report.rows == log.events()


# The archive's rows


def test_an_edited_row_is_named(log: RealLog, sql: psycopg.Connection) -> None:
    number, name, job, version = some_row(sql)
    sql.execute(
        "UPDATE event SET event = %s WHERE (partition, ms, seq) = (%s, %s, %s)",
        [Json({"type": "stage_completed", "job": job, "stage": "bribe"}), number, *name],
    )
    for found in (verified(log), verified(log, with_redis=False), verified(log, job=job)):
        [edited] = [one for one in found if one.kind == "edited"]
        assert (edited.entry, edited.job, edited.version) == (str(name), job, version)
    [logged] = [one for one in verified(log) if one.kind == "log"]
    assert "stage" in logged.what


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ("version = 77", "edited"),
        ("incarnation_ms = 5", "edited"),
        ("at = at + interval '1 hour'", "column"),
        ("job = 'another'", "column"),
        ("chain = sha256('forged')", "edited"),
        ("event = '[]'", "edited"),
        ("number = 100", "edited"),
        ("number = 1", "edited"),
    ],
)
def test_a_changed_column_is_named(
    log: RealLog, sql: psycopg.Connection, change: LiteralString, kind: str
) -> None:
    number, name, _, _ = some_row(sql)
    sql.execute(
        SQL("UPDATE event SET {} WHERE (partition, ms, seq) = (%s, %s, %s)").format(SQL(change)),
        [number, *name],
    )
    found = verified(log, with_redis=False)
    assert any(one.entry == str(name) for one in found), found
    assert kind in kinds(found) | ({"edited"} if "removed" in kinds(found) else set())


def test_a_removed_row_is_named_by_its_neighbours(log: RealLog, sql: psycopg.Connection) -> None:
    number, name, _, version = some_row(sql)
    rows = archived(sql, number)
    sql.execute("DELETE FROM event WHERE (partition, ms, seq) = (%s, %s, %s)", [number, *name])
    found = verified(log, with_redis=False)
    [removed] = [one for one in found if one.kind == "removed"]
    assert removed.entry == str(EntryId(*rows[3][:2]))
    assert f"1 rows between entry {EntryId(*rows[1][:2])} and this one" in removed.what
    if version < len(STAGES):
        assert "version" in kinds(found)
    assert str(name) in {one.entry for one in verified(log) if one.kind == "log"}


def test_a_removed_end_is_found(log: RealLog, sql: psycopg.Connection) -> None:
    ms, seq, _, _ = archived(sql, 0)[-1]
    sql.execute("DELETE FROM event WHERE (partition, ms, seq) = (0, %s, %s)", [ms, seq])
    assert kinds(verified(log, with_redis=False)) == {"removed"}


def test_an_inserted_row_is_named(log: RealLog, sql: psycopg.Connection) -> None:
    number, name, _, _ = some_row(sql)
    forged = EntryId(name.ms, name.seq + 1000)
    event = Json({"type": "stage_completed", "job": "ghost", "stage": "cut"})
    sql.execute(
        "INSERT INTO event (partition, ms, seq, job, incarnation_ms, incarnation_seq, version, at, "
        "event) SELECT partition, ms, seq + 1000, 'ghost', ms, seq + 1000, 1, at, %s "
        "FROM event WHERE (partition, ms, seq) = (%s, %s, %s)",
        [event, number, *name],
    )
    found = verified(log, with_redis=False)
    assert ("inserted", str(forged)) in [(one.kind, one.entry) for one in found]
    assert ("log", str(forged)) in [(one.kind, one.entry) for one in verified(log)]


def test_rows_that_changed_places_are_named(log: RealLog, sql: psycopg.Connection) -> None:
    number = some_row(sql)[0]
    one, other = (EntryId(*row[:2]) for row in archived(sql, number)[1:3])
    for before, after in ((one, (1, 1)), (other, one), ((1, 1), other)):
        sql.execute(
            "UPDATE event SET ms = %s, seq = %s WHERE (partition, ms, seq) = (%s, %s, %s)",
            [*after, number, *before],
        )
    found = verified(log, with_redis=False)
    reordered = [each.entry for each in found if each.kind == "reordered"]
    assert reordered == [str(one), str(other)]


def test_dead_letters_are_in_the_chain(log: RealLog, sql: psycopg.Connection) -> None:
    log.client.xadd(log.partition(0).log, {"foo": b"\xff\x00"})
    log.client.xadd(log.partition(0).log, {"event": b"{}", "version": 1, "incarnation": ""})
    save(log, "job-0", "job-1", "job-2")
    log.store()
    log.project()
    assert verified(log) == []
    sql.execute("UPDATE dead_letter SET fields[2] = 'edited' WHERE fields[1] = 'foo'")
    found = verified(log)
    assert kinds(found) == {"edited", "log"}
    sql.execute("DELETE FROM dead_letter WHERE fields[1] = 'foo'")
    assert "removed" in kinds(verified(log))


def test_a_discarded_dead_letter_leaves_its_place_in_the_chain(
    log: RealLog, sql: psycopg.Connection
) -> None:
    log.client.xadd(log.partition(0).log, {"foo": "bar"})
    save(log, "job-0", "job-1", "job-2")
    log.store()
    log.project()
    with closing(log.archive()) as archive:
        [buried] = dead_letters.find(archive)
        dead_letters.discard(archive, buried)
        assert dead_letters.find(archive) == []
    assert sql.execute("SELECT fields, reason FROM dead_letter").fetchall() == [([], "")]
    found = verified(log)
    assert found == []
    assert found.report.notes == [discarded_note(0, buried.letter.id)]
    sql.execute("DELETE FROM dead_letter")
    assert "removed" in kinds(verified(log, with_redis=False))


def discarded_note(number: int, name: EntryId) -> str:
    return f"{number}:{name} was discarded as a dead letter: what it was can be checked no more"


def test_a_retried_dead_letter_is_an_event_in_its_own_place(
    log: RealLog, sql: psycopg.Connection
) -> None:
    """As if a release before this one could not read it."""
    after = EntryId.parse(log.client.xinfo_stream(log.partition(0).log)["last-generated-id"])
    log.append(Request(StageCompleted(job=job_of(log, 0), stage="cut")))
    part = log.chapter(0, after)
    letter = DeadLetter(part.entries[0].id, log.raw(0, after)[0][1], "from the future")
    with closing(log.archive()) as archive:
        archive.store([Chapter(0, after, part.end, [], [letter])])
        save(log, "job-0", "job-1", "job-2")
        log.store()
        log.project()
        dead_letters.retry(archive, dead_letters.find(archive)[0])
        assert dead_letters.find(archive) == []
    assert verified(log) == []


def job_of(log: RealLog, number: int) -> str:
    """Name a new job of a partition."""
    names = (f"new-{n}" for n in range(100))
    return next(name for name in names if log.partition_of(name).partition == number)


def test_a_row_that_the_table_refuses_has_its_place_in_the_chain(log: RealLog) -> None:
    job = job_of(log, 0)
    log.append(Request(StageCompleted(job=job, stage="cut")))
    again = {"event": b'{"type":"job_deleted","job":"%s"}' % job.encode(), "version": 1}
    entry = log.entries(job)[0]
    log.client.xadd(log.partition(0).log, {**again, "incarnation": str(entry.id)})
    save(log, "job-0", "job-1", "job-2")
    log.store()
    with closing(log.archive()) as archive:
        assert len(dead_letters.find(archive)) == 1
    assert verified(log, with_redis=False) == []


def test_rows_of_an_earlier_release_are_covered_as_soon_as_another_is_stored(
    log: RealLog, sql: psycopg.Connection
) -> None:
    sql.execute(
        "UPDATE event SET number = NULL, chain = NULL;"
        "UPDATE position SET number = 0, chain = NULL, chained_ms = 0, chained_seq = 0"
    )
    found = verified(log)
    assert found == []
    assert all("not in the chain yet" in note for note in found.report.notes)
    save(log, *(f"job-{n}" for n in range(6)))
    log.store()
    log.project()
    found = verified(log)
    assert found == []
    assert len(found.report.notes) == 2
    assert all("an earlier release stored them" in note for note in found.report.notes)
    number, name, _, _ = some_row(sql)
    sql.execute("DELETE FROM event WHERE (partition, ms, seq) = (%s, %s, %s)", [number, *name])
    assert "removed" in kinds(verified(log, with_redis=False))


def test_a_restored_log_is_well(log: RealLog, sql: psycopg.Connection) -> None:
    before = sql.execute("SELECT chain FROM position ORDER BY partition").fetchall()
    for key in log.client.scan_iter(f"{{{log.settings.namespace}*"):
        log.client.delete(key)
    log.run(restore(log.settings.namespace, lambda told: None))
    assert sql.execute("SELECT chain FROM position ORDER BY partition").fetchall() == before
    assert verified(log) == []
    save(log, "job-0", "job-9")
    log.project()
    log.store()
    assert verified(log) == []


def test_a_missing_version_that_is_a_dead_letter_is_said_to_be(
    log: RealLog, sql: psycopg.Connection
) -> None:
    job = job_of(log, 0)
    after = position(log, 0)
    for stage in STAGES:
        log.append(Request(StageCompleted(job=job, stage=stage)))
    part = log.chapter(0, after)
    raw = log.raw(0, after)
    letter = DeadLetter(part.entries[1].id, raw[1][1], "no")
    with closing(log.archive()) as archive:
        kept = [part.entries[0], part.entries[2]]
        archive.store([Chapter(0, after, part.end, kept, [letter])])
    [gap] = [one for one in verified(log) if one.kind == "version"]
    assert (gap.job, gap.version) == (job, 2)
    assert f"version 2 is the dead letter {letter.id}" in gap.what


def position(log: RealLog, number: int) -> EntryId:
    with closing(log.archive()) as archive:
        return archive.positions()[number]


# Log and views


def test_an_entry_that_was_edited_in_the_log_is_named(log: RealLog) -> None:
    """Redis has no command for it: the stream is written anew."""
    keys = log.partition_of("job-1")
    rows = log.raw(keys.partition)
    log.client.delete(keys.log)
    for name, fields in rows:
        pairs = dict(zip(fields[::2], fields[1::2], strict=True))
        pairs[b"event"] = pairs[b"event"].replace(b'"stage":"mix"', b'"stage":"mux"')
        log.client.xadd(keys.log, pairs, id=name)
    found = verified(log)
    assert kinds(found) == {"log"}
    assert '"mux"' in found[0].what
    assert "job-1" in {one.job for one in found}
    assert kinds(verified(log, job="job-1")) == {"log"}


def test_an_entry_that_was_removed_from_the_log_is_named(log: RealLog) -> None:
    entry = log.entries("job-1")[1]
    first = log.raw(log.partition_of("job-1").partition)[0][0]
    assert EntryId.parse(first) < entry.id
    log.client.xdel(log.partition_of("job-1").log, str(entry.id))
    [found] = verified(log)
    assert (found.kind, found.entry, found.job) == ("log", str(entry.id), "job-1")
    [found] = verified(log, job="job-1")
    assert found.entry == str(entry.id)


def test_a_row_that_only_the_log_still_has_is_named_once(
    log: RealLog, sql: psycopg.Connection
) -> None:
    entry = log.entries("job-1")[1]
    sql.execute("DELETE FROM event WHERE (ms, seq) = (%s, %s)", list(entry.id))
    found = [one for one in verified(log, job="job-1") if one.kind == "log"]
    assert [(one.entry, one.version) for one in found] == [(str(entry.id), 2)]
    assert "the archive, whose position is past it, has not" in found[0].what


def test_a_lost_view_is_named(log: RealLog) -> None:
    log.client.delete(log.keys("job-1").view)
    for found in (verified(log), verified(log, job="job-1")):
        [lost] = found
        assert (lost.kind, lost.job, lost.version) == ("view", "job-1", 3)
        assert "rebuild --job job-1" in lost.mended_by


def test_a_tampered_view_is_named_by_what_differs(log: RealLog) -> None:
    view = log.keys("job-1").view
    log.client.lset(view, BESIDE_DATA, b'{"forged":1}')
    [found] = verified(log)
    assert (found.kind, found.job) == ("view", "job-1")
    assert "checkpoints of stage 'cut' are other bytes" in found.what
    state, done = json.loads(log.client.lindex(view, 1))
    log.client.lset(view, 1, json.dumps([[*state[:3], state[3] + 1, *state[4:]], done]))
    assert any("expires_ms" in one.what for one in verified(log))
    log.client.lset(view, 1, "nonsense")
    assert [(one.kind, one.job) for one in verified(log)] == [("view", "job-1")]


def test_a_job_that_redis_has_forgotten_is_named(log: RealLog) -> None:
    log.client.delete(log.keys("job-1").head, log.keys("job-1").view)
    for found in (verified(log), verified(log, job="job-1")):
        [forgotten] = found
        assert (forgotten.kind, forgotten.job) == ("view", "job-1")
        assert "forgotten" in forgotten.what


def test_an_event_that_is_nowhere_is_named(log: RealLog) -> None:
    save(log, "job-1")
    last = log.entries("job-1")[-1]
    log.client.xdel(log.partition_of("job-1").log, str(last.id))
    found = verified(log, job="job-1")
    assert any("in neither log nor archive: 6" in one.what for one in found)


def test_an_older_log_is_named(log: RealLog) -> None:
    for number in log.numbers:
        keys = log.partition(number)
        rows = log.raw(number)
        log.client.delete(keys.log)
        for name, fields in rows[:-2]:
            pairs = dict(zip(fields[::2], fields[1::2], strict=True))
            log.client.xadd(keys.log, pairs, id=name)
    found = verified(log)
    assert [one.kind for one in found] == ["log", "log"]
    assert all("the log ends at" in one.what for one in found)
    assert "older log" in found.report.without_redis
    assert found.report.rows == 18


def test_without_redis_the_archive_is_verified_by_itself(
    log: RealLog, sql: psycopg.Connection
) -> None:
    away = replace(log.settings, redis_url="redis://127.0.0.1:1", timeout=2.0)
    found = verified(log, away)
    assert found == []
    assert "127.0.0.1:1" in found.report.without_redis
    assert found.report.rows == 18
    with pytest.raises(LogUnavailable):
        verified(log, replace(away, postgres_url=None))


def test_who_may_only_read_can_verify(log: RealLog, sql: psycopg.Connection) -> None:
    reader = f"{log.settings.namespace}_reader"
    name = Identifier(reader)
    sql.execute(SQL("CREATE ROLE {} IN ROLE checkpoint_reader").format(name))
    try:
        url = f"{log.settings.postgres_url}&options=-c%20role%3D{reader}"
        mine = replace(log.settings, postgres_url=url)
        assert verified(log, mine, with_redis=False) == []
        assert verified(log, mine) == []
    finally:
        sql.execute(SQL("DROP ROLE {}").format(name))


# Digests


def taken(log: RealLog) -> Digest:
    with closing(log.archive()) as archive:
        return digest.take(archive)


def test_a_digest_says_where_the_chains_end(log: RealLog, sql: psycopg.Connection) -> None:
    kept = taken(log)
    assert kept.log == log.log.id
    assert [one.rows for one in kept.partitions] == [len(archived(sql, n)) for n in log.numbers]
    assert [one.id for one in kept.partitions] == [position(log, n) for n in log.numbers]
    assert verified(log, kept=kept) == []
    save(log, "job-0", "job-8", "job-9")
    log.store()
    log.project()
    assert verified(log, kept=kept) == []
    assert verified(log, kept=kept, with_redis=False) == []


def test_a_chain_that_was_computed_anew_is_found_by_a_digest_only(
    log: RealLog, sql: psycopg.Connection
) -> None:
    kept = taken(log)
    number, name, _, _ = some_row(sql)
    sql.execute(
        "UPDATE event SET event = replace(event::text, '\"job\":', '\"job\" :')::json "
        "WHERE (partition, ms, seq) = (%s, %s, %s)",
        [number, *name],
    )
    chain_anew(sql, log, number)
    assert kinds(verified(log, with_redis=False)) == set()
    [found] = verified(log, with_redis=False, kept=kept)
    assert (found.kind, found.partition) == ("digest", number)


def chain_anew(sql: psycopg.Connection, log: RealLog, number: int) -> None:
    """Do what a careful forger does."""
    from checkpoint.snapshotter.chain import genesis  # noqa: PLC0415 - for this one use

    head = genesis(log.log.id, number)
    for row in read_rows(sql, number, ZERO, EntryId(2**62, 0), 1000):
        head = head.over(row.leaf(number))
        sql.execute(
            "UPDATE event SET chain = %s WHERE (partition, ms, seq) = (%s, %s, %s)",
            [head.chain, number, *row.id],
        )
    sql.execute("UPDATE position SET chain = %s WHERE partition = %s", [head.chain, number])


def dress_up(sql: psycopg.Connection, number: int, name: EntryId) -> None:
    """Put a discarded dead letter in the place of an event."""
    [row] = read_rows(sql, number, name.before, name, 1)
    sql.execute(
        "DELETE FROM event WHERE (partition, ms, seq) = (%s, %s, %s)",
        [number, *name],
    )
    sql.execute(
        "INSERT INTO dead_letter (partition, ms, seq, fields, reason, number, chain, leaf) "
        "VALUES (%s, %s, %s, '{}', '', %s, %s, %s)",
        [number, *name, row.number, row.chain, row.leaf(number)],
    )


def test_an_event_that_was_dressed_up_as_a_discarded_letter_is_found(
    log: RealLog, sql: psycopg.Connection
) -> None:
    kept = taken(log)
    keys = log.partition_of("job-1")
    last = log.entries("job-1")[-1]
    dress_up(sql, keys.partition, last.id)
    note = discarded_note(keys.partition, last.id)
    for job in ("", "job-1"):
        found = verified(log, job=job, with_redis=False)
        assert found == []
        assert found.report.notes == [note]
    [found_by_digest] = verified(log, with_redis=False, kept=kept)
    assert (found_by_digest.kind, found_by_digest.partition) == ("digest", keys.partition)
    assert found_by_digest.what == "1 entries that were there then have been discarded since"
    assert verified(log, with_redis=False, kept=taken(log)) == []


def test_what_is_discarded_after_a_digest_is_no_difference_unless_the_digest_has_it(
    log: RealLog, sql: psycopg.Connection
) -> None:
    old = taken(log)
    log.client.xadd(log.partition(0).log, {"foo": "bar"})
    log.store()
    new = taken(log)
    with closing(log.archive()) as archive:
        [buried] = dead_letters.find(archive)
        dead_letters.discard(archive, buried)
    assert verified(log, with_redis=False, kept=old) == []
    assert kinds(verified(log, with_redis=False, kept=new)) == {"digest"}
    assert [one.discarded for one in new.partitions] == [0, 0]
    assert [one.discarded for one in taken(log).partitions] == [1, 0]


def test_an_archive_that_ends_before_the_digest_is_found(
    log: RealLog, sql: psycopg.Connection
) -> None:
    old = taken(log)
    save(log, *(f"job-{n}" for n in range(6)))
    log.store()
    new = taken(log)
    for one in old.partitions:
        sql.execute(
            "DELETE FROM event WHERE partition = %s AND (ms, seq) > (%s, %s)",
            [one.partition, *one.id],
        )
        sql.execute(
            "UPDATE position SET ms = %(ms)s, seq = %(seq)s, chained_ms = %(ms)s, "
            "chained_seq = %(seq)s, number = %(number)s, chain = %(chain)s "
            "WHERE partition = %(partition)s",
            {
                "ms": one.id.ms,
                "seq": one.id.seq,
                "number": one.rows,
                "chain": bytes.fromhex(one.chain),
                "partition": one.partition,
            },
        )
    assert verified(log, with_redis=False) == []
    found = verified(log, with_redis=False, kept=new)
    assert [one.kind for one in found] == ["digest", "digest"]
    assert "the archive to" in found[0].what


def test_a_digest_of_another_log_is_refused(log: RealLog) -> None:
    kept = taken(log)
    [found] = verified(log, kept=Digest("another", kept.partitions))
    assert "of the log another" in found.what
    short = Digest(kept.log, kept.partitions[:1])
    assert [one.partition for one in verified(log, kept=short)] == [1]
