"""Metrics of workers that run: scraped as Prometheus does it, with servers there and away."""

import socket
from contextlib import ExitStack
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
import redis
from command_line import run
from processes import environ, eventually, running, worker
from prometheus_client.parser import text_string_to_metric_families

from checkpoint import CheckpointManager, Settings
from checkpoint.embedded import Postgres, Valkey
from checkpoint.events.keys import PartitionKeys

WITHOUT_CLIENT = """
import sys
sys.modules["prometheus_client"] = None
from checkpoint.cli import main
main()
"""


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def scrape(port: int) -> dict[tuple[str, ...], float]:
    """Return the values of all samples by their names and the values of their labels."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
        assert reply.headers["Content-Type"].startswith("text/plain; version=")
        text = reply.read().decode()
    return {
        (one.name, *(value for name, value in sorted(one.labels.items()) if name != "log")): value
        for family in text_string_to_metric_families(text)
        for one in family.samples
        for value in [one.value]
    }


def value(port: int, *wanted: str) -> float | None:
    return scrape(port).get(wanted)


def lags(port: int, consumer: str) -> list[float]:
    found = scrape(port)
    return [found["checkpoint_lag_entries", consumer, str(number)] for number in range(8)]


def save(manager: CheckpointManager, count: int) -> None:
    manager.save_many((f"job-{number}", "cut", {}) for number in range(count))


def test_one_worker_tells_of_both(
    settings: Settings, manager: CheckpointManager, port: int
) -> None:
    with worker("projector", environ(settings, CHECKPOINT_WEB_PORT=str(port))):
        save(manager, 100)
        eventually(lambda: value(port, "checkpoint_events_applied_total", "projector") == 100)
        eventually(lambda: sum(lags(port, "projector")) == 0)
        found = scrape(port)
        assert sum(lags(port, "snapshotter")) == 100
        assert found["checkpoint_oldest_unarchived_seconds",] > 0
        assert found["checkpoint_workers", "projector"] == 1
        assert found["checkpoint_workers", "snapshotter"] == 0
        assert found["checkpoint_batch_entries_sum", "projector"] == 100
        assert found["checkpoint_script_seconds_count", "projector"] >= 1
        assert found["checkpoint_redis_up",] == found["checkpoint_archive_up",] == 1
        assert found["process_resident_memory_bytes",] > 0


def test_a_snapshotter_tells_of_commits_and_dead_letters(
    settings: Settings, manager: CheckpointManager, port: int
) -> None:
    with worker("snapshotter", environ(settings, CHECKPOINT_WEB_PORT=str(port))):
        save(manager, 100)
        with redis.Redis.from_url(settings.redis_url) as client:
            client.xadd(PartitionKeys(settings.namespace, 3).log, {"no": "event"})
        eventually(lambda: value(port, "checkpoint_events_applied_total", "snapshotter") == 100)
        eventually(lambda: value(port, "checkpoint_dead_letters") == 1)
        eventually(lambda: value(port, "checkpoint_oldest_unarchived_seconds") == 0)
        found = scrape(port)
        assert found["checkpoint_undecodable_entries_total", "snapshotter"] == 1
        assert found["checkpoint_commit_seconds_count", "snapshotter"] >= 1
        assert sum(lags(port, "snapshotter")) == 0
        assert sum(lags(port, "projector")) == 101
        assert found["checkpoint_watermark_timestamp_seconds", "3"] > 1e9


def test_servers_that_are_away_are_told_of(namespace: str, tmp_path: Path, port: int) -> None:
    valkey, postgres = Valkey(tmp_path / "valkey"), Postgres(tmp_path / "postgres")
    with ExitStack() as stack:
        for server in (valkey, postgres):
            server.start()
            stack.callback(server.stop)
        settings = Settings(
            redis_url=valkey.url, postgres_url=postgres.url, namespace=namespace, timeout=2.0
        )
        mine = environ(settings, CHECKPOINT_WEB_PORT=str(port), CHECKPOINT_TIMEOUT="2")
        stack.enter_context(worker("snapshotter", mine))
        eventually(lambda: value(port, "checkpoint_archive_up") == 1)

        postgres.stop()
        eventually(lambda: value(port, "checkpoint_archive_up") == 0)
        assert value(port, "checkpoint_redis_up") == 1

        valkey.stop()
        eventually(lambda: value(port, "checkpoint_redis_up") == 0)
        eventually(lambda: value(port, "checkpoint_outages_total", "LogUnavailable"))
        assert value(port, "checkpoint_lag_entries", "snapshotter", "0") is None

        valkey.start()
        postgres.start()
        eventually(lambda: value(port, "checkpoint_redis_up") == 1)
        eventually(lambda: value(port, "checkpoint_archive_up") == 1)


def test_without_prometheus_client_a_worker_works_and_says_how_to_get_it(
    settings: Settings, manager: CheckpointManager, port: int
) -> None:
    mine = environ(settings, CHECKPOINT_WEB_PORT=str(port))
    with running("-c", WITHOUT_CLIENT, "worker", "projector", **mine) as process:
        assert process.stdout
        assert process.stdout.readline().startswith("ready")
        save(manager, 1)
        eventually(lambda: manager.get_job_progress("job-0")["source"] == "view")
        with pytest.raises(HTTPError) as refused:
            scrape(port)
        with refused.value as reply:
            assert reply.code == 501
            assert "pip install 'checkpoint-log[metrics]'" in reply.read().decode()


def test_a_worker_warns_in_its_log_before_redis_is_full(namespace: str, tmp_path: Path) -> None:
    options = {"maxmemory": "32mb"}
    with Valkey(tmp_path / "valkey", options=options) as valkey, ExitStack() as stack:
        settings = Settings(redis_url=valkey.url, namespace=namespace)
        manager = stack.enter_context(CheckpointManager(settings))
        client = stack.enter_context(redis.Redis.from_url(valkey.url))
        save(manager, 1)
        for number in range(100):
            if client.info("memory")["used_memory"] < 0.85 * 32 * 1024 * 1024:
                client.set(f"ballast-{number}", bytes(500_000))
        said = tmp_path / "stderr"
        command = f"import os; os.dup2(os.open({str(said)!r}, os.O_CREAT | os.O_WRONLY), 2); "
        command += "from checkpoint.cli import main; main()"
        stack.enter_context(running("-c", command, "worker", "projector", **environ(settings)))
        eventually(lambda: said.exists() and "of its maxmemory" in said.read_text())


def test_the_doctor_tells_how_far_the_workers_are(
    settings: Settings, manager: CheckpointManager
) -> None:
    save(manager, 100)
    told = run("doctor").output
    assert "well   lag: projector lacks 100 entries, the oldest " in told
    assert "snapshotter lacks 100 entries" in told
