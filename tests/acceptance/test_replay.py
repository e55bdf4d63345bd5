"""`checkpoint replay` and `checkpoint rebuild`, as an auditor and an operator use them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest
from click.testing import Result
from command_line import run
from paced import PacedManager
from processes import running
from real_log import RealLog
from servers import NOWHERE

from checkpoint import CheckpointManager, Pipeline, Settings


@pytest.fixture
def manager(settings: Settings) -> Iterator[CheckpointManager]:
    with PacedManager(settings, pipeline=Pipeline("film", ["fetch", "clean"])) as manager:
        yield manager


@pytest.fixture
def log(settings: Settings, manager: CheckpointManager) -> Iterator[RealLog]:
    """Let a job fail, complete, be deleted, and begin anew; archive the first half of it."""
    manager.save("job-1", "fetch", {"rows": 1})
    with pytest.raises(ValueError, match="no"), manager.atomic_checkpoint("job-1", "clean"):
        raise ValueError("no")
    log = RealLog(settings)
    log.store()
    manager.save("job-1", "clean", {"rows": 2})
    manager.delete_job_checkpoints("job-1")
    manager.save("job-1", "fetch", {"rows": 3})
    yield log
    log.close()


def replayed(*words: str) -> dict[str, object]:
    result = run("replay", "job-1", "--json", *words)
    assert result.exit_code == 0, result.output
    found: dict[str, object] = json.loads(result.output)
    return found


def test_a_job_as_it_was_at_a_time_after_an_event_and_in_an_earlier_life(log: RealLog) -> None:
    entries = log.entries("job-1")
    first = str(entries[0].incarnation)
    assert replayed()["version"] == 1
    assert replayed("--at", entries[2].id.time.isoformat())["status"] == "complete"
    assert replayed("--at", entries[3].id.time.isoformat())["status"] == "deleted"
    assert replayed("--at", "1h")["status"] == "did not exist yet"
    assert run("replay", "job-1", "--at", "1h").output.startswith("job-1: did not exist yet\n")
    earlier = replayed("--incarnation", first, "--version", "2")
    assert (earlier["incarnation"], earlier["version"]) == (first, 2)
    shown = run("replay", "job-1", "--incarnation", first, "--version", "3").output
    assert shown.startswith(f"job-1: complete, version 3 of incarnation {first}\n")
    assert "done    fetch  at" in shown
    assert '{"rows": 2}' in shown
    assert "failed  clean  1 time, the last with ValueError: no" in shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["job-1", "--version", "9"], "Version 9 is not on record: there are 1 to 1"),
        (["job-1", "--incarnation", "1-1"], "Incarnation 1-1 is not on record"),
    ],
)
@pytest.mark.usefixtures("log")
def test_what_never_was_is_an_error(words: list[str], message: str) -> None:
    result = run("replay", *words)
    assert result.exit_code == 1
    assert message in result.output


@pytest.mark.parametrize(
    "words",
    [
        ["job-1", "--at", "soon"],
        ["job-1", "--incarnation", "first"],
        ["job-1", "--since", "1h"],
        ["job-1", "--out", "x.parquet"],
        ["--version", "3"],
        ["--json"],
        ["--out", "x.csv"],
        ["job-1", "--version", "0"],
        ["job-1", "--version", "1", "--at", "1h"],
        ["--since", "1h", "--until", "2h"],
    ],
)
@pytest.mark.usefixtures("settings")
def test_what_cannot_be_meant_is_refused(words: list[str]) -> None:
    assert run("replay", *words).exit_code == 2


def lines_of(*words: str) -> list[dict[str, object]]:
    result = run("replay", *words)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_every_event_is_a_line_with_what_its_job_was_after_it(log: RealLog) -> None:
    lines = lines_of()
    entries = log.entries("job-1")
    assert [line["id"] for line in lines] == [str(one.id) for one in entries]
    assert [(line["type"], line["completed"], line["status"]) for line in lines] == [
        ("stage_completed", 1, "running"),
        ("stage_failed", 1, "failed"),
        ("stage_completed", 2, "complete"),
        ("job_deleted", 0, "deleted"),
        ("stage_completed", 1, "running"),
    ]
    assert lines[1]["error"] == "ValueError"
    assert lines[4]["data"] == {"rows": 3}


def test_a_stream_is_of_a_span_and_a_pipeline(log: RealLog) -> None:
    third = log.entries("job-1")[2].id.time.isoformat()
    assert [line["version"] for line in lines_of("--since", third)] == [3, 4, 1]
    assert [line["version"] for line in lines_of("--until", third)] == [1, 2]
    assert lines_of("--pipeline", "other") == []
    assert len(lines_of("--pipeline", "film", "--since", "1h")) == 5


@pytest.mark.usefixtures("log")
def test_a_stream_goes_to_a_file(tmp_path: Path) -> None:
    for name in ("events.jsonl", "events.parquet"):
        result = run("replay", "--out", str(tmp_path / name))
        assert (result.exit_code, result.stdout) == (0, "")
        assert f"5 events in {tmp_path / name}" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events.jsonl", "events.parquet"]
    assert len((tmp_path / "events.jsonl").read_text().splitlines()) == 5
    query = f"select status from '{tmp_path}/events.parquet' order by time desc, version limit 1"  # noqa: S608 - a file of the test's own
    assert duckdb.sql(query).fetchall() == [("running",)]


@pytest.mark.usefixtures("log")
def test_a_stream_goes_into_a_pipe_and_does_not_replace_it(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(pipe.read_bytes)
        assert run("replay", "--out", str(pipe)).exit_code == 0
        assert len(read.result().splitlines()) == 5
    assert pipe.is_fifo()


@pytest.mark.usefixtures("log")
def test_without_the_extra_parquet_it_is_said_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "checkpoint.parquet", raising=False)
    result = run("replay", "--out", str(tmp_path / "events.parquet"))
    assert result.exit_code == 1
    assert "pip install 'checkpoint-log[parquet]'" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_told(log: RealLog, tmp_path: Path) -> None:
    result = run("replay", "--out", str(tmp_path / "no" / "events.jsonl"))
    assert result.exit_code == 1
    assert "events.jsonl cannot be written" in result.output


def test_while_redis_is_away_the_archive_alone_is_replayed(
    log: RealLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", NOWHERE)
    monkeypatch.setenv("CHECKPOINT_TIMEOUT", "0.2")
    result = run("replay")
    assert len(result.stdout.splitlines()) == 2
    assert "The archive alone is replayed" in result.stderr
    assert replayed_version(run("replay", "job-1", "--json")) == 2


def replayed_version(result: Result) -> object:
    return json.loads(result.stdout)["version"]


def test_a_pipe_that_is_closed_is_no_traceback(manager: CheckpointManager) -> None:
    manager.save_many((f"job-{number}", "fetch", {"text": "x" * 1000}) for number in range(500))
    with running("-m", "checkpoint", "replay", **os.environ) as process:
        assert process.stdout
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == 0
    command = f"{sys.executable} -m checkpoint replay | head -1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1


def test_a_capsule_is_replayed_without_a_server(
    log: RealLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    capsule = tmp_path / "job.capsule"
    assert run("export", "job-1", "--out", str(capsule)).exit_code == 0
    monkeypatch.setenv("REDIS_URL", NOWHERE)
    monkeypatch.setenv("POSTGRES_URL", "postgresql://127.0.0.1:1/none")
    first = str(log.entries("job-1")[0].incarnation)
    shown = run("replay", "--capsule", str(capsule), "--incarnation", first, "--version", "1")
    assert shown.output.startswith(f"job-1: running, version 1 of incarnation {first}\n")
    assert run("replay", "job-2", "--capsule", str(capsule)).exit_code == 2


def test_views_are_rebuilt_and_what_was_wrong_is_named(log: RealLog) -> None:
    log.project()
    log.store()
    log.client.lset(log.keys("job-1").view, 1, "nonsense")
    result = run("rebuild")
    assert result.exit_code == 0
    assert result.output == (
        "1 view rebuilt\n1 lost or not what the log says until now:\n  job-1\n"
    )
    assert log.view("job-1") == log.fold("job-1")
    number = log.partition_of("job-1").partition
    assert run("rebuild", "--partition", str(number)).output == "1 view rebuilt\n"
    assert json.loads(run("rebuild", "--job", "job-1", "--json").output) == {
        "views": 1,
        "differed": [],
        "left": [],
        "put_back": [],
        "dropped": [],
    }


def test_a_view_that_cannot_be_rebuilt_is_left_and_told_by_the_exit_code(log: RealLog) -> None:
    last = log.entries("job-1")[-1]
    log.client.xdel(log.partition_of("job-1").log, str(last.id))
    result = run("rebuild")
    assert result.exit_code == 1
    assert "1 left as they are: not all of their entries are on record:\n  job-1\n" in result.output


@pytest.mark.parametrize("words", [["--partition", "8"], ["--partition", "0", "--job", "j"]])
@pytest.mark.usefixtures("log")
def test_what_cannot_be_rebuilt_is_refused(words: list[str]) -> None:
    assert run("rebuild", *words).exit_code == 2
