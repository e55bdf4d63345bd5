"""The spool's file: what was added is there in order, until it is settled."""

import errno
import fcntl
import multiprocessing
import os
import re
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from checkpoint import spool as spool_module
from checkpoint.drain import overlaid
from checkpoint.events.append import Request
from checkpoint.events.entry import Entry
from checkpoint.events.entry_id import EntryId
from checkpoint.events.errors import SpoolUnavailable
from checkpoint.events.event import AnyEvent, StageCompleted, StageFailed
from checkpoint.projector.fold import NOTHING, fold_all
from checkpoint.query.lookup import Answer, Source, Status
from checkpoint.spool import Spool, Spooled


def done(job: str = "job", stage: str = "a", data: bytes = b"{}") -> StageCompleted:
    return StageCompleted(job=job, stage=stage, data=msgspec.Raw(data))


def request(key: str, event: AnyEvent | None = None, **options: str) -> Request:
    return Request(event or done(), key=key, **options)  # type: ignore[arg-type] # of tests' own


def keys(calls: list[list[Request]]) -> list[list[str | None]]:
    return [[one.key for one in call] for call in calls]


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool.db", "films")


def test_calls_come_back_in_order_and_whole(spool: Spool) -> None:
    spool.add([request("1"), request("2", done("other"))])
    spool.add([request("3")])
    assert keys(spool.first()) == [["1", "2"], ["3"]]


def test_a_request_comes_back_as_it_was(spool: Spool) -> None:
    event = done(data=b'{"x": [1, "\xc3\xa9"]}')
    given = Request(event, key="k", token="5-0", expected_version=7)
    spool.add([given])
    (((back,),),) = (spool.first(),)
    assert (back.event, back.key, back.token, back.expected_version) == (event, "k", "5-0", 7)
    assert back.kind == "append"


def test_what_was_taken_is_removed_and_what_was_refused_is_kept(spool: Spool) -> None:
    spool.add([request("1"), request("2"), request("3")])
    ((first, second, third),) = spool.first()
    spool.settle([(first, None), (second, "StaleClaim: too late")])
    assert keys(spool.first()) == [["3"]]
    spool.settle([(third, None)])
    assert spool.first() == []
    (refused,) = spool.refused()
    assert (refused.number, refused.refused) == (2, "StaleClaim: too late")
    assert [spool.why_refused(number) for number in (1, 2, 3)] == [
        None,
        "StaleClaim: too late",
        None,
    ]


def test_a_key_names_one_event_while_it_waits(spool: Spool) -> None:
    first = spool.add([request("k")])
    again = spool.add([request("k"), request("k", done("other"))])
    assert [one.repeated for one in first + again] == [False, True, False]
    assert again[0].number == first[0].number
    assert len(spool.waiting("job")) == 1


def test_a_number_is_never_used_again(spool: Spool) -> None:
    (first,) = spool.add([request("1")])
    spool.settle([(request("1"), None)])
    (second,) = spool.add([request("1")])
    assert second.number > first.number


def test_it_knows_without_asking_the_file_whether_it_holds_anything(spool: Spool) -> None:
    assert spool.holds  # not yet looked at
    assert spool.first() == []
    assert not spool.holds
    spool.add([request("1")])
    assert spool.holds
    spool.settle([(request("1"), None)])
    assert spool.first() == []
    assert not spool.holds


def test_a_later_process_finds_what_an_earlier_one_left(spool: Spool) -> None:
    spool.add([request("1")])
    assert keys(Spool(spool.path, "films").first()) == [["1"]]


def test_logs_that_share_a_file_do_not_mix(spool: Spool) -> None:
    other = Spool(spool.path, "songs")
    spool.add([request("1")])
    assert other.first() == []
    assert other.waiting("job") == []
    other.settle([(request("1"), None)])
    assert keys(spool.first()) == [["1"]]


def test_only_this_user_may_read_it(spool: Spool) -> None:
    spool.add([request("1")])
    assert spool.lock()
    modes = {stat.S_IMODE(path.stat().st_mode) for path in spool.path.parent.iterdir()}
    assert modes == {0o600}


def test_only_one_drains_at_a_time(spool: Spool) -> None:
    other = Spool(spool.path, "films")
    lock = spool.lock()
    assert lock is not None
    with lock:
        assert other.lock() is None
        assert spool.lock() is None
    again = other.lock()
    assert again is not None
    del again  # as if whoever asked for it was cancelled
    assert spool.lock() is not None


def test_it_waits_on_disk_at_the_highest_level(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    levels = []

    def watched(*args: object, **options: object) -> sqlite3.Connection:
        db = real(*args, **options)  # type: ignore[call-overload] # passes all on
        db.set_trace_callback(levels.append)
        return db  # type: ignore[no-any-return] # as above

    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", watched)
    spool.add([request("1")])
    assert levels.index("PRAGMA synchronous = FULL") < levels.index("COMMIT")
    with sqlite3.connect(spool.path) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    db.close()


@pytest.mark.parametrize("kind", ["no folder", "a folder", "not a database"])
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "missing" / "spool.db" if kind == "no folder" else tmp_path / "spool.db"
    if kind == "a folder":
        path.mkdir()
    elif kind == "not a database":
        path.write_text("a letter to the editor " * 1000)
    spool = Spool(path, "films")
    with pytest.raises(SpoolUnavailable, match=r"spool\.db cannot be used: .*space left"):
        spool.add([request("1")])


def open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def test_what_cannot_be_opened_is_not_left_open(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    path.write_text("a letter to the editor " * 1000)
    spool = Spool(path, "films")
    before, errors = open_files(), []
    for _ in range(5):
        with pytest.raises(SpoolUnavailable) as refused:
            spool.first()
        errors.append(refused.value)  # with its traceback, which holds what was in use
    assert open_files() == before


def test_a_file_system_without_locks_is_named_and_nothing_left_open(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(handle: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    before = open_files()
    with pytest.raises(SpoolUnavailable, match="No locks available"):
        spool.lock()
    assert open_files() == before


def test_parameters_are_plain_or_named() -> None:
    # Python 3.12.0 to 3.12.3 take a numbered one for a named one
    statements = [text for text in vars(spool_module).values() if isinstance(text, str)]
    assert any("WHERE namespace = ?" in text for text in statements)
    assert not any(re.search(r"\?\d", text) for text in statements)


def test_a_full_disk_is_named_and_loses_nothing_that_was_acknowledged(spool: Spool) -> None:
    spool.add([request("1")])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(SpoolUnavailable, match=r"spool\.db cannot be used: .*space left"):
            spool.add([request("2")])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    spool.add([request("3")])
    assert keys(spool.first()) == [["1"], ["3"]]


def add_many(path: Path, name: int) -> None:
    spool = Spool(path, "films")
    for number in range(20):
        spool.add([request(f"{name}-{number}", done(f"job {name}"))])


def test_processes_that_come_at_once_share_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=add_many, args=(path, name)) for name in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    spool = Spool(path, "films")
    for name in range(4):
        stages = [one.number for one in spool.waiting(f"job {name}")]
        assert len(stages) == 20
        assert stages == sorted(stages)


KILLED_AFTER_ADDING = """
import os, signal, sys
from checkpoint.events.append import Request
from checkpoint.events.event import StageFailed
from checkpoint.spool import Spool
Spool(sys.argv[1], "films").add([Request(StageFailed(job="job", stage="a"), key="1")])
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_added_survives_a_kill(spool: Spool) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", KILLED_AFTER_ADDING, spool.path], env=os.environ, check=False
    )
    assert ended.returncode == -signal.SIGKILL
    assert keys(spool.first()) == [["1"]]


def spooled(number: int, event: AnyEvent, at_ms: int = 5000) -> Spooled:
    return Spooled(number, at_ms, event, None)


LOGGED = Entry(EntryId(9000, 3), EntryId(9000, 3), 1, done(), b'{"type":"stage_completed"}')


def test_spooled_events_come_after_all_that_is_known_whatever_the_clock_says() -> None:
    known = Answer(fold_all(NOTHING, [LOGGED]), Status.LIVE, Source.LOG)
    waiting = [spooled(1, done(stage="b")), spooled(2, StageFailed(job="job", stage="c"))]
    answer = overlaid(known, waiting)
    assert answer.source is Source.SPOOL
    assert list(answer.live.checkpoints) == ["a", "b"]
    assert list(answer.live.failures) == ["c"]
    assert answer.live.version == 3
    assert answer.live.incarnation == LOGGED.incarnation


@pytest.mark.parametrize("status", [Status.DELETED, Status.EXPIRED, Status.UNKNOWN])
def test_on_a_job_that_is_no_more_they_begin_a_new_life(status: Status) -> None:
    known = Answer(fold_all(NOTHING, [LOGGED]), status, Source.ARCHIVE)
    answer = overlaid(known, [spooled(1, done(stage="b")), spooled(2, done(stage="c"))])
    assert answer.status is Status.LIVE
    assert list(answer.live.checkpoints) == ["b", "c"]
    assert answer.live.version == 2


def test_nothing_spooled_changes_nothing() -> None:
    known = Answer(fold_all(NOTHING, [LOGGED]), Status.LIVE, Source.VIEW)
    assert overlaid(known, []) is known
