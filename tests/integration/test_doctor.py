"""The doctor and the workers where a set-up is wrong: each says so, and nobody makes anything.

What they tell of keys that hold something else is in test_foreign_keys.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
import redis
from command_line import run
from processes import environ, eventually
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier
from real_log import RealLog
from servers import NOWHERE

from checkpoint import CheckpointManager
from checkpoint.events.keys import topic_meta
from checkpoint.events.settings import Settings

NO_POSTGRES = "postgresql://nobody@127.0.0.1:1/none"
LOOKS = (
    ("doctor",),
    ("jobs",),
    ("show", "j"),
    ("history", "j"),
    ("explain", "j"),
    ("replay",),
    ("replay", "j"),
    ("lag",),
    ("verify",),
    ("verify", "--archive-only"),
    ("digest",),
    ("deadletters", "list"),
    ("health", "snapshotter"),
    ("rebuild",),
    ("rebuild", "--job", "j"),
    ("restore",),
    ("watch", "j"),
    ("diff", "j", "1", "2"),
)


def findings(settings: Settings) -> dict[str, Any]:
    """Ask the doctor; return what it found, by what it looked at."""
    result = run("doctor", "--json", **environ(settings))
    assert result.exit_code in (0, 1), result.output
    return {one["subject"]: one for one in json.loads(result.stdout)["findings"]}


def schemas(settings: Settings) -> list[Any]:
    assert settings.postgres_url
    with psycopg.connect(settings.postgres_url) as connection:
        return connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN "
            "('information_schema', 'public')"
        ).fetchall()


def keys(settings: Settings) -> list[Any]:
    with redis.Redis.from_url(settings.redis_url) as client:
        return list(client.scan_iter(match=f"{{{settings.namespace}*"))


def do(settings: Settings, *statements: LiteralString) -> None:
    """Do as an administrator does, by mistake."""
    assert settings.postgres_url
    with psycopg.connect(settings.postgres_url, autocommit=True) as connection:
        for one in statements:
            connection.execute(SQL(one).format(ns=Identifier(settings.namespace)))


class Worker:
    """A worker's process, and what it has said."""

    def __init__(self, process: subprocess.Popen[bytes], file: Path) -> None:
        self._file = file
        self.process = process

    def said(self) -> str:
        assert self.process.poll() is None, self._file.read_text()
        return self._file.read_text()


@contextmanager
def worker(kind: str, settings: Settings, file: Path) -> Iterator[Worker]:
    """Run a worker that need not become ready."""
    words = [sys.executable, "-m", "checkpoint", "worker", kind]
    with file.open("wb") as out:
        process = subprocess.Popen(
            words, env={**os.environ, **environ(settings)}, stdout=out, stderr=out
        )
    try:
        yield Worker(process, file)
    finally:
        process.kill()
        process.wait()
        said = file.read_text()
    assert "Traceback" not in said
    assert "KeyError" not in said


@pytest.mark.parametrize("words", LOOKS, ids=" ".join)
def test_who_looks_at_empty_servers_creates_nothing(
    archived_settings: Settings, words: tuple[str, ...]
) -> None:
    result = run(*words, **environ(archived_settings))
    assert isinstance(result.exception, SystemExit), result.exc_info
    assert result.exit_code == 1
    assert keys(archived_settings) == []
    assert schemas(archived_settings) == []


@pytest.mark.parametrize("words", [words for words in LOOKS if "watch" not in words], ids=" ".join)
def test_who_looks_at_a_log_whose_archive_is_gone_creates_none(
    archived_log: RealLog, words: tuple[str, ...]
) -> None:
    do(archived_log.settings, "DROP SCHEMA {ns} CASCADE")
    result = run(*words, **environ(archived_log.settings))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    assert schemas(archived_log.settings) == []


def test_a_manager_that_reads_creates_no_archive(archived_log: RealLog) -> None:
    with CheckpointManager(archived_log.settings) as manager:
        manager.save("j", "cut", {})
        assert manager.load("j", "cut") == {}
        do(archived_log.settings, "DROP SCHEMA {ns} CASCADE")
        assert manager.load("j", "cut") == {}
        assert manager.load("another", "cut") is None
    assert schemas(archived_log.settings) == []


def test_servers_that_are_new_are_well(archived_settings: Settings) -> None:
    found = findings(archived_settings)
    new = ("archive", "roles", "log", "keys", "log and archive")
    assert {name: found[name]["is_well"] for name in new if name in found} == dict.fromkeys(
        [name for name in new if name in found], True
    )
    assert "there is none yet" in found["archive"]["detail"]


def test_an_archive_that_is_lost_is_waited_for_and_begun_again_by_hand(
    archived_log: RealLog, tmp_path: Path
) -> None:
    log = archived_log
    with CheckpointManager(log.settings) as manager:
        for stage in ("cut", "mix"):
            manager.save("j", stage, {})
        log.project()
        log.store()
        trimmed = log.partition_of("j").log
        assert log.client.xtrim(trimmed, maxlen=1, approximate=False) == 1
        do(log.settings, "DROP SCHEMA {ns} CASCADE")
        found = findings(log.settings)
        assert not found["log and archive"]["is_well"]
        assert "backup" in found["log and archive"]["detail"]
        assert found["log"]["is_well"]
        with worker("snapshotter", log.settings, tmp_path / "said") as snapshotter:
            said = eventually(snapshotter.said, wanted=lambda said: "backup" in said)
            time.sleep(0.5)
            assert "ready" not in snapshotter.said()
            assert run("migrate", **environ(log.settings)).exit_code == 0
            eventually(
                snapshotter.said, wanted=lambda said: "checkpoint migrate --register" in said
            )
            assert "ready" not in said
            told = run("migrate", "--register", **environ(log.settings))
            assert (told.exit_code, "what the log dropped" in told.output) == (0, True)
            eventually(snapshotter.said, wanted=lambda said: "ready" in said)
            manager.save("j", "export", {}, ack="durable")
            log.project()
        assert findings(log.settings)["log and archive"]["is_well"]
    verified = json.loads(run("verify", "--json", **environ(log.settings)).stdout)
    assert [(one["kind"], one["version"]) for one in verified["differences"]] == [("version", 1)]
    assert "Redis was restarted or restored after" in verified["differences"][0]["what"]


def test_a_log_is_not_registered_with_the_events_of_another(archived_log: RealLog) -> None:
    with CheckpointManager(archived_log.settings) as manager:
        manager.save("j", "cut", {})
    archived_log.store()
    do(archived_log.settings, "DELETE FROM {ns}.log", "DELETE FROM {ns}.position")
    assert "knows no log" in findings(archived_log.settings)["log and archive"]["detail"]
    result = run("migrate", "--register", **environ(archived_log.settings))
    assert (result.exit_code, "drop its schema" in result.output) == (1, True)


def test_a_log_is_not_registered_beside_another(archived_log: RealLog) -> None:
    archived_log.client.hset(topic_meta(archived_log.settings.namespace), "id", "another")
    result = run("migrate", "--register", **environ(archived_log.settings))
    assert (result.exit_code, "holds another log" in result.output) == (1, True)


def test_a_schema_that_is_dropped_while_all_runs_stops_no_worker(
    archived_log: RealLog, tmp_path: Path
) -> None:
    settings = replace(archived_log.settings, timeout=15.0)
    with (
        worker("snapshotter", settings, tmp_path / "said") as snapshotter,
        CheckpointManager(settings) as manager,
    ):
        eventually(snapshotter.said, wanted=lambda said: "ready" in said)
        manager.save("j", "cut", {}, ack="durable")
        do(settings, "DROP SCHEMA {ns} CASCADE")
        manager.save("j", "mix", {})
        eventually(snapshotter.said, wanted=lambda said: "backup" in said)
        assert schemas(settings) == []
        assert "backup" in findings(settings)["archive"]["detail"]
        for _ in range(2):  # once more, while it is there, it does nothing
            assert run("migrate", "--register", **environ(settings)).exit_code == 0
        manager.save("j", "export", {}, ack="durable")
    with closing(archived_log.archive()) as archive:
        assert len(archive.job_history("j")) == 3


def test_an_archive_of_a_newer_release_stops_no_worker_that_runs(
    archived_log: RealLog, tmp_path: Path
) -> None:
    settings = replace(archived_log.settings, timeout=15.0)
    terminate: LiteralString = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with (
        worker("snapshotter", settings, tmp_path / "said") as snapshotter,
        CheckpointManager(settings) as manager,
    ):
        eventually(snapshotter.said, wanted=lambda said: "ready" in said)
        manager.save("j", "cut", {})
        do(settings, "INSERT INTO {ns}.migration VALUES (9999, 'future')", terminate)
        manager.save("j", "export", {})
        eventually(snapshotter.said, wanted=lambda said: "version 9999" in said)
        assert "version 9999" in findings(settings)["archive"]["detail"]
        do(settings, "DELETE FROM {ns}.migration WHERE version = 9999")
        manager.save("j", "mix", {}, ack="durable")


def test_postgres_that_is_away_hides_nothing_else(archived_log: RealLog) -> None:
    archived_log.append()
    begun = time.monotonic()
    found = findings(replace(archived_log.settings, postgres_url=NO_POSTGRES))
    assert time.monotonic() - begun < 10
    assert not found["archive"]["is_well"]
    assert {"log", "keys", "lag", "projector"} <= found.keys()
    assert found["log"]["is_well"]
    assert found["keys"]["is_well"]


def test_redis_that_is_away_hides_nothing_else(archived_log: RealLog) -> None:
    found = findings(replace(archived_log.settings, redis_url=NOWHERE))
    assert not found["Redis"]["is_well"]
    assert found["archive"]["is_well"]
    assert found["roles"]["is_well"]


def test_a_log_that_redis_has_lost_is_no_new_one(archived_log: RealLog) -> None:
    archived_log.client.delete(topic_meta(archived_log.settings.namespace))
    found = findings(archived_log.settings)["log and archive"]
    assert not found["is_well"]
    assert "Redis has lost the log" in found["detail"]
    assert run("restore", **environ(archived_log.settings)).exit_code == 0
    assert findings(archived_log.settings)["log and archive"]["is_well"]


@pytest.mark.parametrize("part", ["meta", "log"])
def test_a_part_of_the_log_that_is_lost_is_named_and_restored(
    archived_log: RealLog, part: str
) -> None:
    log = archived_log
    with CheckpointManager(log.settings) as manager:
        manager.save("j", "cut", {})
        log.project()
        log.store()
        log.client.rename(getattr(log.partition_of("j"), part), f"{{{log.settings.namespace}}}:x")
        found = findings(log.settings)
        wrong = [one["detail"] for one in found.values() if "restore" in one["detail"]]
        assert wrong
        assert run("verify", **environ(log.settings)).exit_code == 1
        assert run("restore", **environ(log.settings)).exit_code == 0
        manager.save("j", "mix", {})
    log.project()
    log.store()
    assert run("verify", **environ(log.settings)).exit_code == 0


def test_roles_that_have_no_rights_here_are_named_until_a_migration(archived_log: RealLog) -> None:
    settings = archived_log.settings
    assert findings(settings)["roles"]["is_well"]
    do(settings, "REVOKE ALL ON SCHEMA {ns} FROM checkpoint_writer, checkpoint_reader")
    found = findings(settings)
    assert found["archive"]["is_well"]
    assert "checkpoint_writer lacks 1 of its rights" in found["roles"]["detail"] or (
        "checkpoint_reader lacks" in found["roles"]["detail"]
    )
    assert run("migrate", **environ(settings)).exit_code == 0
    assert findings(settings)["roles"]["is_well"]


def test_a_user_who_may_only_read_is_enough_to_look(archived_log: RealLog) -> None:
    settings = archived_log.settings
    assert settings.postgres_url
    name = f"{settings.namespace}_reader"
    with psycopg.connect(settings.postgres_url, autocommit=True) as admin:
        admin.execute(SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(Identifier(name)))
        admin.execute(SQL("GRANT checkpoint_reader TO {}").format(Identifier(name)))
        try:
            url = make_conninfo(settings.postgres_url, user=name, password="x")
            theirs = replace(settings, postgres_url=url)
            with CheckpointManager(settings) as manager:
                manager.save("j", "cut", {})
            archived_log.store()
            found = findings(theirs)
            for subject in ("archive", "roles", "restarts", "clocks", "log and archive"):
                assert found[subject]["is_well"], found[subject]
            for words in (("jobs",), ("history", "j"), ("verify",), ("digest",), ("replay",)):
                assert run(*words, **environ(theirs)).exit_code == 0
        finally:
            admin.execute(SQL("DROP ROLE {}").format(Identifier(name)))
