"""The stream: everything on record, each entry once, in the order in which it happened."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest
from histories import JOBS, Act, histories, request_of
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from real_log import RealLog
from servers import NOWHERE

from checkpoint.events.append import Request
from checkpoint.events.entry import Entry, decode_all
from checkpoint.events.entry_id import ZERO
from checkpoint.events.errors import LogUnavailable
from checkpoint.events.event import StageCompleted
from checkpoint.events.freshness import Place
from checkpoint.events.keys import partition_of
from checkpoint.events.settings import Settings
from checkpoint.parquet import write_parquet
from checkpoint.query.history import stream as module
from checkpoint.query.history.audit import AuditRow, Span, audit
from checkpoint.query.history.stream import find_extent, stream
from checkpoint.servers import Servers
from checkpoint.snapshotter import pages as pages_module
from checkpoint.snapshotter.archive import Archive
from checkpoint.snapshotter.pages import reading_pages
from checkpoint.snapshotter.schema import query

MANY = 250


def place_of(log: RealLog) -> Place:
    has_archive = log.settings.postgres_url is not None
    return Place(log.settings.namespace, log.log.partitions, has_archive)


@contextmanager
def streamed(
    log: RealLog,
    since_ms: int = 0,
    until_ms: int | None = None,
    *,
    has_log: bool = True,
    settings: Settings | None = None,
) -> Iterator[Iterator[list[Entry]]]:
    with closing(Servers(settings or log.settings)) as servers:
        place = place_of(log)
        extent = servers.run(find_extent(place, since_ms, until_ms, has_log=has_log))
        with closing(stream(servers.run, place, extent, has_log=has_log)) as pages:
            yield pages


def everything(log: RealLog, **options: Any) -> list[Entry]:
    wait_for_the_next_millisecond(log)
    with streamed(log, **options) as pages:
        return [entry for page in pages for entry in page]


def wait_for_the_next_millisecond(log: RealLog) -> None:
    """Wait, for a stream ends before the millisecond in which it begins."""
    start = log.client.time()
    while log.client.time()[1] // 1000 == start[1] // 1000:
        pass


def on_record(log: RealLog) -> list[Entry]:
    """Return what a stream should have, by plain means, while the log is not trimmed."""
    found = [
        (one.id, number, one._replace(encoded=b""))
        for number in log.numbers
        for one in decode_all(log.raw(number))[0]
    ]
    return [one for _, _, one in sorted(found, key=lambda each: each[:2])]


def fill(log: RealLog, count: int = MANY) -> None:
    for number in range(count):
        log.append(request_of(Act("complete", f"job-{number % 7}", f"s{number}", {"n": number})))


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE_ENTRIES", 20)
    monkeypatch.setattr(module, "SCAN_ENTRIES", 11)


@pytest.mark.parametrize("archived", [0, 100, MANY])
@pytest.mark.parametrize("trimmed", [False, True])
def test_archive_and_log_are_one_stream(
    archived_log: RealLog, archived: int, *, trimmed: bool
) -> None:
    log = archived_log
    fill(log, archived)
    log.store()
    positions = {number: log.raw(number)[-1:] for number in log.numbers}
    fill(log, MANY - archived)
    expected = on_record(log)
    if trimmed:
        for number, last in positions.items():
            for name, _ in last:
                log.client.xtrim(log.partition(number).log, minid=name, approximate=False)
    assert everything(log) == expected
    assert len(expected) == MANY


def move_to_archive(log: RealLog) -> None:
    """Archive all that the log has, and drop it there."""
    log.store()
    for number in log.numbers:
        log.client.xtrim(log.partition(number).log, maxlen=0)


def test_the_log_alone_is_a_stream(log: RealLog) -> None:
    fill(log)
    assert everything(log) == on_record(log)


@pytest.mark.parametrize("isolation", [r"read\ committed", r"repeatable\ read"])
def test_what_moves_from_log_to_archive_meanwhile_is_there_once(
    archived_log: RealLog, isolation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGOPTIONS", f"-c default_transaction_isolation={isolation}")
    log = archived_log
    fill(log, 100)
    log.store()
    fill(log, 150)
    expected = on_record(log)
    wait_for_the_next_millisecond(log)
    with streamed(log) as pages:
        found = next(pages)
        move_to_archive(log)
        found += [entry for page in pages for entry in page]
    assert found == expected


def test_what_moves_to_the_archive_while_the_log_is_read_is_there_once(
    archived_log: RealLog,
) -> None:
    log = archived_log
    fill(log, 50)
    log.store()
    fill(log, 150)
    expected = on_record(log)
    wait_for_the_next_millisecond(log)
    with streamed(log) as pages:
        found = []
        while len(found) < 100:  # some of it comes from the log
            found += next(pages)
        move_to_archive(log)
        found += [entry for page in pages for entry in page]
    assert found == expected


def test_while_redis_is_away_the_archive_alone_is_streamed(archived_log: RealLog) -> None:
    log = archived_log
    fill(log, 60)
    log.store()
    expected = on_record(log)
    fill(log, 20)
    away = replace(log.settings, redis_url=NOWHERE)
    assert everything(log, has_log=False, settings=away) == expected
    with pytest.raises(LogUnavailable):
        everything(log, settings=away)


def test_entries_that_are_no_events_are_passed_over(log: RealLog) -> None:
    fill(log, 5)
    for number in log.numbers:
        for _ in range(30):  # more than a page
            log.client.xadd(log.partition(number).log, {"hello": "world"})
    fill(log, 5)
    assert everything(log) == on_record(log)
    assert len(everything(log)) == 10


def test_events_of_an_older_release_are_brought_forward(archived_log: RealLog) -> None:
    log = archived_log
    number = partition_of("j", log.log.partitions)
    old = {"event": '{"type":"stage_failed","job":"j","stage":"cut","error":"OSError: no"}'}
    log.client.xadd(log.partition(number).log, {**old, "version": 1, "incarnation": ""})
    log.store()
    [entry] = everything(log)
    assert (entry.event.error, entry.event.message) == ("OSError", "no")  # type: ignore[union-attr] # it is a StageFailed


@pytest.mark.parametrize("archived", [False, True])
def test_a_span_begins_where_its_oldest_incarnation_did_and_ends_before_its_end(
    archived_log: RealLog, *, archived: bool
) -> None:
    log = archived_log
    for job, stage in (("old", "cut"), ("j", "cut"), ("k", "cut"), ("j", "mix"), ("late", "cut")):
        log.append(request_of(Act("complete", job, stage)))
        wait_for_the_next_millisecond(log)
        if archived and stage == "mix":
            log.store()
    entries = on_record(log)
    since, until = entries[3].id.ms, entries[4].id.ms
    found = everything(log, since_ms=since, until_ms=until)
    assert found == entries[1:4]
    pages = audit([found], Span(since_ms=since), {})
    assert [(row.job_id, row.stage, row.completed) for rows in pages for row in rows] == [
        ("j", "mix", 2)
    ]


def test_pages_of_large_events_have_few_of_them(
    archived_log: RealLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = archived_log
    monkeypatch.setattr(module, "PAGE_BYTES", 30_000)
    for number in range(110):
        log.append(request_of(Act("complete", "j", f"s{number}", "x" * 10_000)))
    log.store()
    wait_for_the_next_millisecond(log)
    with streamed(log) as pages:
        sizes = [len(page) for page in pages]
    assert (sizes[0], max(sizes[1:]), sum(sizes)) == (module.FIRST_PAGE_ENTRIES, 2, 110)


@hypothesis_settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(acts=histories(("complete", "fail", "claim")), dice=st.builds(Random, st.integers(0, 2**32)))
def test_any_history_in_any_state_of_the_archive_is_streamed_as_it_was(
    archived_settings: Settings, acts: list[Act], dice: Random
) -> None:
    name = f"{archived_settings.namespace}_{dice.getrandbits(32):x}"
    with closing(RealLog(replace(archived_settings, namespace=name))) as log:
        for act in acts:
            log.append(request_of(act))
            if dice.random() < 0.2:
                log.store()
        found = everything(log)
        assert found == on_record(log)
        for job in JOBS:
            assert [one.id for one in found if one.event.job == job] == [
                one.id for one in log.entries(job)
            ]


def rows_of(log: RealLog) -> Iterator[list[AuditRow]]:
    wait_for_the_next_millisecond(log)
    with streamed(log) as pages:
        yield from audit(pages, Span(), {})


def test_a_parquet_file_has_every_event_and_duckdb_opens_it(
    archived_log: RealLog, tmp_path: Path
) -> None:
    log = archived_log
    log.append(Request(StageCompleted(job="j", stage="cut", pipeline="film", took_ms=1500)))
    log.append(request_of(Act("fail", "j", "mix")))
    log.store()
    log.append(request_of(Act("complete", "j", "mix", {"näme": [1, None]})))
    path = tmp_path / "events.parquet"
    assert write_parquet(path, rows_of(log)) == 3
    rows = duckdb.sql(
        f"select version, type, stage, pipeline, data, took_ms, error, completed, status, "  # noqa: S608 - a file of the test's own
        f"epoch_ms(time) from '{path}' order by version"
    ).fetchall()
    times = [one.id.ms for one in log.entries("j")]
    assert rows == [
        (1, "stage_completed", "cut", "film", "{}", 1500, None, 1, "running", times[0]),
        (2, "stage_failed", "mix", "film", None, None, "OSError", 1, "failed", times[1]),
        (
            3,
            "stage_completed",
            "mix",
            "film",
            '{"näme":[1,null]}',
            None,
            None,
            2,
            "running",
            times[2],
        ),
    ]
    count = duckdb.sql(f"select json_extract(data, '$.näme[0]') from '{path}' where version = 3")  # noqa: S608 - as above
    assert count.fetchall() == [("1",)]


def test_a_parquet_file_without_events_opens_too(log: RealLog, tmp_path: Path) -> None:
    path = tmp_path / "none.parquet"
    assert write_parquet(path, rows_of(log)) == 0
    assert duckdb.sql(f"select count(*) from '{path}'").fetchall() == [(0,)]  # noqa: S608 - as above


def test_a_parquet_file_is_written_in_groups(
    log: RealLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("checkpoint.parquet.GROUP_ROWS", 100)
    fill(log, 230)
    path = tmp_path / "events.parquet"
    assert write_parquet(path, rows_of(log)) == 230
    groups = duckdb.sql(f"select distinct row_group_id from parquet_metadata('{path}')")  # noqa: S608 - as above
    assert len(groups.fetchall()) == 3


def test_a_page_of_a_new_table_is_read_along_the_index(
    archived_log: RealLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = archived_log
    fill(log, 6000)  # fewer would be read along it anyway
    log.store()
    monkeypatch.setattr(pages_module, "query", lambda name: explained(name, "page"))
    with (
        closing(Archive(log.settings.postgres_url or "", log.settings.namespace)) as archive,
        reading_pages(archive) as pages,
    ):
        plan = " ".join(line for (line,) in pages.ask(0, ZERO, 2**60, 10).fetchall())
    assert "Index Scan using event_pkey" in plan
    assert "Sort" not in plan


def explained(name: str, one: str) -> bytes:
    return b"EXPLAIN " * (name == one) + query(name)
