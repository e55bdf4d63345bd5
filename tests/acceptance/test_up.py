"""`checkpoint up`, as a user runs it: a command in the foreground."""

import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.request import urlopen

import psutil
import psycopg
import pytest
import redis

from checkpoint.embedded.account import Account
from checkpoint.events.endpoints import running_endpoints

PATIENCE_SECONDS = 60.0
COMMAND = (sys.executable, "-P", "-m", "checkpoint", "up")
SERVICES = ("valkey", "postgres", "projector", "snapshotter", "web")


@dataclass(frozen=True)
class Running:
    """A `checkpoint up` that has said that it is ready."""

    process: "subprocess.Popen[str]"
    folder: Path
    said: list[str]

    @property
    def endpoints(self) -> dict[str, str]:
        return dict(running_endpoints(self.folder) or {})

    @property
    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    @property
    def users(self) -> Iterator[str]:
        """Yield whose each process of the family is; Postgres' own may end meanwhile."""
        for child in self.family:
            with suppress(psutil.NoSuchProcess):
                yield child.username()

    def pid_of(self, service: str) -> int:
        """Return the process id last told for the service."""
        told = [line for line in self.said if line.startswith(service) and "process" in line]
        return int(told[-1].partition("process ")[2].split(",")[0])

    def hears(self, beginning: str) -> str:
        """Read on until a line begins so."""
        output: IO[str] | None = self.process.stdout
        assert output is not None
        for line in output:
            self.said.append(line.rstrip("\n"))
            if line.startswith(beginning):
                return line
        raise AssertionError("\n".join(["checkpoint up ended early:", *self.said]))


@contextmanager
def running(home: Path, command: Sequence[str] = COMMAND) -> Iterator[Running]:
    with start(home, command) as process:
        try:
            up = Running(process, home / "checkpoint", [])
            up.hears("ready\n")
            yield up
        finally:
            process.terminate()
            process.wait()


def start(home: Path, command: Sequence[str] = COMMAND) -> "subprocess.Popen[str]":
    environment = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("REDIS_", "POSTGRES_", "PG"))
    }
    return subprocess.Popen(
        command,
        env={**environment, "HOME": str(home), "XDG_DATA_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def remember(up: Running) -> None:
    with redis.Redis.from_url(up.endpoints["REDIS_URL"]) as client:
        client.set("remembered", "yes")
    with psycopg.connect(up.endpoints["POSTGRES_URL"]) as connection:
        connection.execute("CREATE TABLE remembered ()")


def remembers(up: Running) -> bool:
    with redis.Redis.from_url(up.endpoints["REDIS_URL"], decode_responses=True) as client:
        in_valkey = client.get("remembered") == "yes"
    with psycopg.connect(up.endpoints["POSTGRES_URL"]) as connection:
        found = connection.execute("SELECT to_regclass('remembered') IS NOT NULL").fetchone()
    return in_valkey and found == (True,)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_in_order(tmp_path: Path, number: signal.Signals) -> None:
    with running(tmp_path) as up:
        family = up.family
        assert {up.pid_of(service) for service in SERVICES} <= {child.pid for child in family}
        up.process.send_signal(number)
        rest, _ = up.process.communicate()
        assert up.process.returncode == 0, rest
        assert [line for line in rest.splitlines() if line.startswith("stopping")] == [
            "stopping projector, snapshotter, web",
            "stopping postgres",
            "stopping valkey",
        ]
    assert all(map(gone, family))
    assert not (tmp_path / "checkpoint/endpoints.env").exists()
    postgres_log = (tmp_path / "checkpoint/postgres/postgres.log").read_text()
    assert "database system is shut down" in postgres_log.splitlines()[-1]


def test_it_tells_where_the_servers_listen(tmp_path: Path) -> None:
    with running(tmp_path) as up:
        endpoints = up.endpoints
        assert endpoints.keys() == {"REDIS_URL", "POSTGRES_URL", "UP_PID"}
        assert endpoints["UP_PID"] == str(up.process.pid)
        file = tmp_path / "checkpoint/endpoints.env"
        assert file.stat().st_mode & 0o777 == 0o600
        script = f". {file}; echo $REDIS_URL $POSTGRES_URL"
        sourced = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True)
        assert sourced.stdout.decode().split() == [
            endpoints["REDIS_URL"],
            endpoints["POSTGRES_URL"],
        ]
        exports = [line for line in up.said if line.startswith("export ")]
        assert exports == [f"export {n}={endpoints[n]}" for n in ("REDIS_URL", "POSTGRES_URL")]


def free_port() -> int:
    """Return a port that is free, as is the one after it."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as one:
            port = int(one.getsockname()[1])
            with suppress(OSError), socket.create_server(("127.0.0.1", port + 1)):
                return port


def test_each_worker_gets_a_port_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("CHECKPOINT_WEB_PORT", str(port))
    with running(tmp_path) as up:
        for kind, number in (("projector", port), ("snapshotter", port + 1)):
            assert f"metrics of the {kind}: port {number}, at /metrics" in up.said
            with urlopen(f"http://127.0.0.1:{number}/metrics", timeout=30) as answer:
                lines = answer.read().decode().splitlines()
            counted = [
                line for line in lines if line.startswith("checkpoint_events_applied_total{")
            ]
            assert any(f'"{kind}"' in line for line in counted)


def test_data_and_endpoints_are_kept_between_runs(tmp_path: Path) -> None:
    with running(tmp_path) as up:
        first = up.endpoints
        remember(up)
    with running(tmp_path) as up:
        assert {**up.endpoints, "UP_PID": ""} == {**first, "UP_PID": ""}
        assert remembers(up)


def test_a_second_one_on_the_folder_is_refused(tmp_path: Path) -> None:
    with running(tmp_path) as up:
        with start(tmp_path) as second:
            said, _ = second.communicate()
        assert second.returncode != 0
        assert f"{tmp_path}/checkpoint is in use by process {up.process.pid}" in said
        assert "Traceback" not in said
        remember(up)
        assert remembers(up)


def test_nothing_outlives_a_kill_and_the_next_one_recovers(tmp_path: Path) -> None:
    with running(tmp_path) as up:
        remember(up)
        family = up.family
        up.process.kill()
    assert running_endpoints(tmp_path / "checkpoint") is None
    with running(tmp_path) as up:  # at once
        assert remembers(up)
        assert all(map(gone, family))


@pytest.mark.parametrize("service", SERVICES)
def test_what_dies_is_started_again(tmp_path: Path, service: str) -> None:
    with running(tmp_path) as up:
        remember(up)
        old = up.pid_of(service)
        os.kill(old, signal.SIGKILL)
        assert "exit code 137" in up.hears(f"{service} ended")
        up.hears(f"{service} runs again")
        assert up.pid_of(service) != old
        wait_until(lambda: answers(up))


def answers(up: Running) -> bool:
    try:
        return remembers(up)
    except (redis.ConnectionError, psycopg.OperationalError):
        return False


def test_a_plain_user_can_run_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    account = plain_account()
    account.own(home)
    with running(home, account.command(COMMAND)) as up:
        remember(up)
        users = set(up.users)
        assert remembers(up)
    assert users == {pwd.getpwuid(home.stat().st_uid).pw_name}


def plain_account() -> Account:
    """Return this user or, for root, nobody, but able to read this Python wherever it lies."""
    if os.geteuid() != 0:
        return Account(None, None)
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)
