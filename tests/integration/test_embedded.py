"""The embedded servers, each started for real in folders of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psutil
import psycopg
import pytest
import redis

from checkpoint.embedded import Postgres, Valkey
from checkpoint.embedded.server import Server
from checkpoint.events.errors import FolderInUse, ServerStartError

PATIENCE_SECONDS = 60.0


def write_to_valkey(url: str) -> None:
    with redis.Redis.from_url(url) as client:
        client.incr("written")


def read_from_valkey(url: str) -> int:
    with redis.Redis.from_url(url) as client:
        return int(client.get("written") or 0)


def write_to_postgres(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS written ()")
        connection.execute("INSERT INTO written DEFAULT VALUES")


def read_from_postgres(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM written").fetchone()
    return int(row[0]) if row else 0


@dataclass(frozen=True)
class Kind:
    """A server and how to use it."""

    make: type[Server]
    write: Callable[[str], None]
    read: Callable[[str], int]
    bad_option: dict[str, str]


KINDS = {
    "valkey": Kind(Valkey, write_to_valkey, read_from_valkey, {"appendfsync": "perhaps"}),
    "postgres": Kind(Postgres, write_to_postgres, read_from_postgres, {"fsync": "perhaps"}),
}


@pytest.fixture(params=sorted(KINDS))
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.mark.parametrize("port", [None, 0], ids=["socket", "port"])
def test_data_is_kept_between_runs(kind: Kind, tmp_path: Path, port: int | None) -> None:
    for run in (1, 2):
        with kind.make(tmp_path / "server", port=port) as server:
            kind.write(server.url)
            assert kind.read(server.url) == run
        assert not server.is_running
        assert server.exit_code == 0


def test_the_url_stays_the_same(kind: Kind, tmp_path: Path) -> None:
    first, second = kind.make(tmp_path / "server"), kind.make(tmp_path / "server")
    with first:
        pass
    assert first.url == second.url


def test_data_and_url_survive_a_kill_of_the_server(kind: Kind, tmp_path: Path) -> None:
    with kind.make(tmp_path / "server") as server:
        url = server.url
        kind.write(url)
        kill(server)
        assert server.exit_code == 128 + signal.SIGKILL
        server.start()
        assert (server.url, kind.read(url)) == (url, 1)


def kill(server: Server) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    wait_until(lambda: not server.is_running)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def test_a_second_server_on_the_folder_is_refused(kind: Kind, tmp_path: Path) -> None:
    with (
        kind.make(tmp_path / "server") as server,
        pytest.raises(FolderInUse, match=f"{tmp_path}/server is in use by process {os.getpid()}:"),
    ):
        kind.make(tmp_path / "server").start()
    assert not server.is_running


def test_starting_what_runs_is_refused(kind: Kind, tmp_path: Path) -> None:
    with kind.make(tmp_path / "server") as server:
        with pytest.raises(ServerStartError, match=f"runs already, as process {server.pid}"):
            server.start()
        kind.write(server.url)


def test_a_failed_start_shows_the_log_and_leaves_the_folder_free(
    kind: Kind, tmp_path: Path
) -> None:
    with pytest.raises(ServerStartError, match=r"exit code 1(?s:.*)(perhaps|Boolean)"):
        kind.make(tmp_path / "server", options=kind.bad_option).start()
    with kind.make(tmp_path / "server") as server:
        kind.write(server.url)


@pytest.mark.parametrize("name", ["x" * 150, 'it\'s a "quoted", spaced, accentué % folder'])
def test_any_folder_will_do(kind: Kind, tmp_path: Path, name: str) -> None:
    with kind.make(tmp_path / name) as server:
        kind.write(server.url)
        assert kind.read(server.url) == 1


def test_what_listens_on_a_port_wants_the_password(kind: Kind, tmp_path: Path) -> None:
    with kind.make(tmp_path / "server", port=0) as server:
        parts = urlsplit(server.url)
        assert parts.password
        assert (parts.hostname, parts.port) == ("127.0.0.1", server.port)
        wrong = server.url.replace(parts.password, "guess")
        with pytest.raises((redis.AuthenticationError, psycopg.OperationalError)):
            kind.write(wrong)
        assert not reaches_from_outside(server)


def reaches_from_outside(server: Server) -> bool:
    """Whether the port answers on another loopback address than the one it was bound to."""
    with socket.socket() as client, suppress(OSError):
        client.connect(("127.0.0.2", server.port))
        return True
    return False


def test_the_password_is_on_no_command_line(kind: Kind, tmp_path: Path) -> None:
    with kind.make(tmp_path / "server", port=0) as server:
        listing = str([process.info for process in psutil.process_iter(["cmdline"])])
    assert str(server.port) in listing
    assert str(urlsplit(server.url).password) not in listing


def test_only_this_user_reaches_the_socket(kind: Kind, tmp_path: Path) -> None:
    with kind.make(tmp_path / "server") as server:
        path = urlsplit(server.url).path or "/"
        host = unquote(urlsplit(server.url).netloc.rpartition("@")[2].rpartition(":")[0])
        folder = Path(host) if host else Path(unquote(path)).parent
        assert folder.stat().st_mode & 0o077 == 0


def test_both_are_durable(tmp_path: Path) -> None:
    with Valkey(tmp_path / "valkey") as server, redis.Redis.from_url(server.url) as client:
        found = client.config_get("append*") | client.config_get("maxmemory-policy")
    assert (found["appendonly"], found["appendfsync"]) == ("yes", "always")
    assert found["maxmemory-policy"] == "noeviction"
    with Postgres(tmp_path / "postgres") as server, psycopg.connect(server.url) as connection:
        shown = [
            connection.execute("SELECT current_setting(%s)", [name]).fetchone()
            for name in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums")
        ]
    assert shown == [("on",)] * 4


def test_options_override(tmp_path: Path) -> None:
    options = {"appendfsync": "everysec"}
    with (
        Valkey(tmp_path / "valkey", options=options) as server,
        redis.Redis.from_url(server.url) as client,
    ):
        assert client.config_get("appendfsync") == {"appendfsync": "everysec"}


def test_a_postmaster_pid_of_another_program_does_not_block(tmp_path: Path) -> None:
    server = Postgres(tmp_path / "server")
    with server:
        write_to_postgres(server.url)
        left = (tmp_path / "server/data/postmaster.pid").read_text()
        kill(server)
    # as in a container, where process ids come again: this one is alive, and no postmaster
    with stranger(owner=(tmp_path / "server/data").stat().st_uid) as pid:
        pid_file = tmp_path / "server/data/postmaster.pid"
        pid_file.write_text(left.replace(left.splitlines()[0], str(pid), 1))
        with server:
            assert read_from_postgres(server.url) == 1


@contextmanager
def stranger(owner: int) -> Iterator[int]:
    user = owner if os.geteuid() == 0 else None
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, user=user) as process:
        yield process.pid
        process.communicate()


def test_an_interrupted_creation_is_begun_again(tmp_path: Path) -> None:
    (tmp_path / "server/data.new/base").mkdir(parents=True)
    with Postgres(tmp_path / "server") as server:
        write_to_postgres(server.url)
    assert not (tmp_path / "server/data.new").exists()


def test_folders_above_keep_their_permissions(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir(mode=0o700)
    above = [path.stat() for path in (tmp_path / "private/server").parents if path.exists()]
    with Postgres(tmp_path / "private/server") as server:
        write_to_postgres(server.url)
    after = [path.stat() for path in (tmp_path / "private/server").parents if path.exists()]
    assert [(s.st_mode, s.st_uid) for s in after] == [(s.st_mode, s.st_uid) for s in above]


PARENT = """
import signal, sys
from pathlib import Path
from checkpoint.embedded import Postgres, Valkey
make = {"Valkey": Valkey, "Postgres": Postgres}[sys.argv[1]]
with make(Path(sys.argv[2])) as server:
    print(server.pid, flush=True)
    signal.pause()
"""


@pytest.mark.parametrize(
    "guardian_too",
    [
        False,
        pytest.param(
            True,
            marks=pytest.mark.skipif(
                sys.platform != "linux", reason="only Linux tells a child of its parent's death"
            ),
        ),
    ],
)
def test_nothing_outlives_a_killed_parent(kind: Kind, tmp_path: Path, guardian_too: bool) -> None:
    command = [sys.executable, "-c", PARENT, kind.make.__name__, str(tmp_path / "server")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        old = psutil.Process(int(parent.stdout.readline()))
        kind.write(kind.make(tmp_path / "server").url)
        if guardian_too:
            old.parent().kill()
        parent.kill()
    with kind.make(tmp_path / "server") as server:  # at once: the old one's end is waited for
        assert not old.is_running() or old.status() == psutil.STATUS_ZOMBIE
        assert kind.read(server.url) == 1
