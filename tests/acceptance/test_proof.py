"""Proof on the command line: verify and digest, as an auditor uses them."""

import json
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from command_line import run
from psycopg.sql import SQL, Identifier
from real_log import RealLog

from checkpoint import CheckpointManager, Settings

LEFT_OUT = "the jobs in Redis were not compared\n"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, partitions=2)


@pytest.fixture
def event(settings: Settings) -> Identifier:
    """Fill a log, its views and its archive; return the name of the archive's table."""
    with CheckpointManager(settings) as manager:
        for number in range(8):
            manager.save(f"job-{number}", "fetch", {"rows": number})
    log = RealLog(settings)
    log.project()
    log.store()
    log.close()
    return Identifier(settings.namespace, "event")


def tamper(settings: Settings, statement: SQL, event: Identifier) -> None:
    assert settings.postgres_url
    with psycopg.connect(settings.postgres_url, autocommit=True) as connection:
        connection.execute(statement.format(event))


@pytest.mark.usefixtures("event")
def test_what_is_well_is_said_to_be() -> None:
    result = run("verify")
    assert result.output == "8 archived rows, 8 jobs in Redis: no difference\n"
    assert result.exit_code == 0
    assert run("verify", "job-1").output == "1 archived row, 1 job in Redis: no difference\n"
    result = run("verify", "--archive-only", "--json")
    assert json.loads(result.stdout) == {
        "is_well": True,
        "differences": [],
        "rows": 8,
        "views": 0,
        "without_redis": None,
        "without_archive": None,
        "notes": [],
    }
    assert run("verify", "--archive-only").output == "8 archived rows: no difference; " + LEFT_OUT


def test_a_difference_is_a_line_and_exit_code_1(settings: Settings, event: Identifier) -> None:
    tamper(settings, SQL("UPDATE {} SET version = 2 WHERE job = 'job-1'"), event)
    result = run("verify")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert any(line.startswith("edited: partition") and "'job-1' v2" in line for line in lines)
    assert any(line.startswith("version: partition") for line in lines)
    found = json.loads(run("verify", "job-1", "--archive-only", "--json").stdout)
    assert found["is_well"] is False
    assert {one["kind"] for one in found["differences"]} == {"edited", "version"}
    assert {one["job_id"] for one in found["differences"]} == {"job-1"}


def test_a_digest_is_kept_and_the_archive_checked_by_it(
    settings: Settings, event: Identifier, tmp_path: Path
) -> None:
    kept = tmp_path / "digest.json"
    kept.write_text(run("digest", "--json").stdout)
    assert [len(one["chain"]) for one in json.loads(kept.read_text())["partitions"]] == [64, 64]
    assert "partition 1: " in run("digest").output
    assert run("verify", "--against", str(kept)).exit_code == 0
    tamper(settings, SQL("DELETE FROM {} WHERE job = 'job-2'"), event)
    result = run("verify", "--against", str(kept))
    assert result.exit_code == 1
    assert "removed: " in result.stdout


@pytest.mark.usefixtures("event")
def test_with_redis_away_the_archive_is_verified_and_exit_code_1_says_that_it_was_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    result = run("verify")
    assert result.exit_code == 1
    assert "Redis was left out: " in result.stderr
    assert result.stdout == "8 archived rows: no difference; " + LEFT_OUT
    assert run("verify", "--archive-only").exit_code == 0
    assert run("digest").exit_code == 0


@pytest.mark.usefixtures("settings")
def test_without_an_archive_there_is_nothing_to_compare_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("POSTGRES_URL")
    with CheckpointManager() as manager:
        manager.save("job-1", "fetch", {})
    result = run("verify")
    assert result.exit_code == 1
    assert "There is no archive to compare with: No Postgres is configured" in result.stderr
    assert result.stdout == "1 job in Redis: no difference\n"
    assert json.loads(run("verify", "--json").stdout)["is_well"] is False


@pytest.mark.usefixtures("event")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"log":"x"}',
        (
            '{"log":"x","partitions":[{"partition":0,"position":"yesterday","rows":1,"discarded":0,'
            '"chain":""}]}'
        ),
    ],
)
def test_what_is_no_digest_is_refused(tmp_path: Path, text: str) -> None:
    kept = tmp_path / "digest.json"
    kept.write_text(text)
    result = run("verify", "--against", str(kept))
    assert result.exit_code == 2
    assert "is no digest as `checkpoint digest --json` prints it" in result.stderr


@pytest.mark.usefixtures("settings")
def test_usage_errors_and_logs_that_are_not_there(tmp_path: Path) -> None:
    kept = tmp_path / "digest.json"
    kept.write_text("{}")
    assert run("verify", "job-1", "--against", str(kept)).exit_code == 2
    assert run("verify", "--against", "no-such-file").exit_code == 2
    for words in (["verify"], ["digest"], ["verify", "--archive-only"]):
        result = run(*words)
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: ")


def test_a_discarded_dead_letter_is_listed_no_more_and_stays_in_the_chain(
    settings: Settings,
) -> None:
    log = RealLog(settings)
    log.client.xadd(log.partition(1).log, {"foo": "bar"})
    with CheckpointManager(settings) as manager:
        manager.save("job-1", "fetch", 1)
    log.project()
    log.store()
    log.close()
    name = run("deadletters", "list").output.split()[0]
    assert run("deadletters", "discard", "--yes", name).exit_code == 0
    assert run("deadletters", "list").output == "no dead letters\n"
    result = run("verify")
    assert result.exit_code == 0
    assert f"{name} was discarded as a dead letter" in result.stderr
    assert ", 1 discarded, up to" in run("digest").output
