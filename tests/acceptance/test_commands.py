"""The command line, as an operator uses it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from click.testing import CliRunner, Result
from processes import environ, eventually, worker

from checkpoint import CheckpointManager, Settings, UnsupportedServer
from checkpoint.cli import main
from checkpoint.embedded import Valkey
from checkpoint.events.keys import PartitionKeys


@pytest.fixture
def settings(
    redis_url: str, postgres_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    settings = Settings(redis_url=redis_url, postgres_url=postgres_url, namespace=namespace)
    for name, value in environ(settings).items():
        monkeypatch.setenv(name, value)
    return settings


@pytest.fixture
def manager(settings: Settings) -> Iterator[CheckpointManager]:
    with CheckpointManager(settings) as manager:
        yield manager


def run(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def letters() -> list[str]:
    return run("deadletters", "list").output.splitlines()


def test_show_history_and_delete(manager: CheckpointManager) -> None:
    manager.save("job-1", "fetch", {"rows": 1})
    with pytest.raises(ValueError, match="no"), manager.atomic_checkpoint("job-1", "clean"):
        raise ValueError("no")

    shown = run("show", "job-1").output
    assert "job-1: live, version 2" in shown
    assert "done    fetch" in shown
    assert "failed  clean  attempts: 1, the last: ValueError: no" in shown
    assert json.loads(run("show", "job-1", "--json").output)["completed_stages"] == ["fetch"]

    assert [line.split()[3] for line in run("history", "job-1").output.splitlines()] == ["v1", "v2"]
    assert len(json.loads(run("history", "job-1", "--json").output)) == 2

    assert run("delete", "job-1").output == "job-1: deleted\n"
    assert run("delete", "job-1").output == "job-1: had no live checkpoints\n"


@pytest.mark.usefixtures("settings")
def test_an_error_is_one_line_and_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHECKPOINT_TTL", "soon")
    result = run("show", "job-1")
    assert result.exit_code == 1
    assert result.output.startswith("Error: CHECKPOINT_TTL='soon' cannot be used")
    assert len(result.output.splitlines()) == 1


def test_the_doctor_says_who_is_missing_and_then_that_all_is_well(
    manager: CheckpointManager, settings: Settings
) -> None:
    manager.save("job-1", "fetch", {})
    result = run("doctor")
    assert result.exit_code == 1
    assert "WRONG  projector: none runs: start one with `checkpoint worker projector`" in (
        result.output
    )
    with worker("projector", environ(settings)), worker("snapshotter", environ(settings)):
        findings = json.loads(run("doctor", "--json").output)
        wrong = [one for one in findings if not one["is_well"] and one["subject"] != "Redis"]
        assert wrong == []
        assert run("health", "projector").exit_code == 0


@pytest.mark.usefixtures("settings")
def test_health_is_bad_without_a_worker() -> None:
    assert run("health", "snapshotter").exit_code == 1


def test_a_redis_that_evicts_is_refused_at_once(settings: Settings, tmp_path: Path) -> None:
    with Valkey(tmp_path / "valkey", options={"maxmemory-policy": "allkeys-lru"}) as valkey:
        evicting = replace(settings, redis_url=valkey.url)
        with (
            CheckpointManager(evicting) as manager,
            pytest.raises(UnsupportedServer, match="noeviction"),
        ):
            manager.save("job-1", "fetch", {})


def test_dead_letters_are_listed_shown_retried_and_discarded(
    manager: CheckpointManager, settings: Settings
) -> None:
    manager.save("job-1", "fetch", {})
    log = PartitionKeys(settings.namespace, 3).log
    with redis.Redis.from_url(settings.redis_url) as client:
        client.xadd(log, {"foo": b"\xff\x00"})
        client.xadd(log, {"event": b'{"type":"from_2030"}', "version": 1, "incarnation": ""})
    with worker("snapshotter", environ(settings)):
        lines = eventually(
            letters,
            wanted=lambda lines: len(lines) == 2,
        )
        manager.save("job-1", "clean", {}, ack="durable")
    first, second = (line.split()[0] for line in lines)
    assert "b'\\xff\\x00'" in run("deadletters", "show", first).output
    refused = run("deadletters", "retry", second)
    assert refused.exit_code == 1
    assert "from_2030" in refused.output
    for name in (first, second):
        assert run("deadletters", "discard", name).output == f"{name}: discarded\n"
    assert run("deadletters", "list").output == "no dead letters\n"
    assert run("deadletters", "show", first).exit_code == 1
    assert run("deadletters", "show", "nonsense").exit_code == 2
