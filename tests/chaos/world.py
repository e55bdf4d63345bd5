"""The world of a run: servers, links, workers and producers, each of them a process to be hurt."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count, cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import unquote, urlsplit

import psutil  # type: ignore[import-untyped]  # its stubs are a package of their own
from psycopg.conninfo import conninfo_to_dict

from checkpoint.embedded import Postgres, Valkey
from checkpoint.embedded.process import GuardedProcess
from checkpoint.embedded.server import Server

from .proxy import Link, listening
from .schedule import LINKS, PRODUCERS, PROJECTORS, SNAPSHOTTERS, Schedule

NAMESPACE = "chaos"
PARTITIONS = 4
DISK_BYTES = 256 * 1024 * 1024
CALL_SECONDS = 3.0
MARGIN_SECONDS = 4.0
"""Entries stay in the log so long: the log is trimmed during the run."""

_TESTS = Path(__file__).parents[1]
_SMALL = {"shared_buffers": "16MB", "max_wal_size": "64MB", "min_wal_size": "32MB"}


@dataclass
class World:
    """All processes of a run, by name."""

    folder: Path
    schedule: Schedule
    disk: Path | None
    """A small file system that Postgres' data is on, if this user may mount one."""
    stack: ExitStack
    valkey: Valkey = field(init=False)
    postgres: Postgres = field(init=False)
    links: dict[str, Link] = field(init=False)
    processes: dict[str, GuardedProcess] = field(default_factory=dict)
    _lives: dict[str, Iterator[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._fsync = cycle(self.schedule.fsync)
        self.valkey = self._new_valkey()
        self.postgres = Postgres((self.disk or self.folder) / "postgres", options=_SMALL)
        redis_socket, postgres_socket = self._sockets()
        paths = [redis_socket, redis_socket, postgres_socket]
        self.links = {name: Link(path) for name, path in zip(LINKS, paths, strict=True)}

    def start(self) -> None:
        """Start everything."""
        self.stack.callback(self._stop_servers)
        self.valkey.start()
        self.postgres.start()
        self.stack.enter_context(listening(*self.links.values()))
        self.stack.callback(self._stop_processes)
        for name in (*PROJECTORS, *SNAPSHOTTERS, *PRODUCERS):
            self.start_process(name)

    def start_process(self, name: str) -> None:
        """Start a worker or producer."""
        life = next(self._lives.setdefault(name, count()))
        kind = name.partition("-")[0]
        command = ["-m", "checkpoint", "worker", kind]
        link = LINKS[1]
        if kind == "producer":
            skew = self.schedule.skews[PRODUCERS.index(name)]
            seed = self.schedule.seed
            command = ["-m", "chaos.producer", name, *map(str, (life, seed, skew))]
            command.append(str(self.records(name)))
            link = LINKS[0]
        self.processes[name] = GuardedProcess(
            [sys.executable, *command],
            log=self.folder / f"{name}.log",
            folder=self.folder,
            environment=self.environment(link),
            stop_signal=signal.SIGTERM,
            stop_seconds=10.0,
        )

    def records(self, producer: str) -> Path:
        """Say where a producer keeps its records."""
        return self.folder / f"{producer}.jsonl"

    def environment(self, redis_link: str) -> Mapping[str, str]:
        """Return the variables that lead through the links."""
        ours = ("PG", "POSTGRES_", "REDIS_", "CHECKPOINT_")
        others = {name: text for name, text in os.environ.items() if not name.startswith(ours)}
        return {
            **others,
            "PYTHONPATH": os.pathsep.join([str(_TESTS), os.environ.get("PYTHONPATH", "")]),
            "REDIS_URL": self.redis_url(redis_link),
            "POSTGRES_URL": self.postgres_url,
            "CHECKPOINT_NAMESPACE": NAMESPACE,
            "CHECKPOINT_PARTITIONS": str(PARTITIONS),
            "CHECKPOINT_TIMEOUT": str(CALL_SECONDS),
            "CHECKPOINT_LOG_MARGIN": str(MARGIN_SECONDS),
        }

    def redis_url(self, link: str) -> str:
        """Return the URL of Redis behind a link."""
        return f"redis://127.0.0.1:{self.links[link].port}/0"

    @property
    def postgres_url(self) -> str:
        """The URL of Postgres behind its link."""
        port = self.links[LINKS[2]].port
        return f"postgresql://postgres@127.0.0.1:{port}/postgres?sslmode=disable&gssencmode=disable"

    def pids(self, name: str) -> list[int]:
        """Return the process ids of a worker, producer or server, with those of its children."""
        pid = self.server(name).pid if self.is_server(name) else self.processes[name].pid
        with suppress(psutil.NoSuchProcess):
            if pid is not None:
                return [pid, *(one.pid for one in psutil.Process(pid).children(recursive=True))]
        return []

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to all processes of one of us."""
        for pid in self.pids(name):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def is_server(self, name: str) -> bool:
        """Say whether a name is that of a server."""
        return name in {"valkey", "postgres"}

    def server(self, name: str) -> Server:
        """Return a server by its name."""
        return self.valkey if name == "valkey" else self.postgres

    def kill(self, name: str) -> None:
        """SIGKILL, and wait until it is gone."""
        self.signal(name, signal.SIGKILL)
        if self.is_server(name):
            self.server(name).stop()
        else:
            self.processes[name].wait()

    def restart(self, name: str) -> None:
        """Start again what was killed, unless it lives."""
        if not self.is_server(name):
            self.start_process(name)
        elif not self.server(name).is_running:
            if name == "valkey":
                self.valkey = self._new_valkey()
            self.server(name).start()

    def _new_valkey(self) -> Valkey:
        return Valkey(self.folder / "valkey", options={"appendfsync": next(self._fsync)})

    @property
    def append_only_files(self) -> Path:
        """Where Redis keeps its data."""
        return self.valkey.folder / "data" / "appendonlydir"

    def _sockets(self) -> tuple[str, str]:
        host = conninfo_to_dict(self.postgres.url)["host"]
        return unquote(urlsplit(self.valkey.url).path), f"{host}/.s.PGSQL.5432"

    def died(self) -> list[str]:
        """Name those who ended though nobody killed them."""
        servers = [one for one in (self.valkey, self.postgres) if not one.is_running]
        ended = [name for name, process in self.processes.items() if not process.is_running]
        return [*ended, *(server.name for server in servers)]

    def stop_producers(self) -> None:
        """Stop all producers."""
        for name in PRODUCERS:
            self.kill(name)

    def _stop_processes(self) -> None:
        for process in self.processes.values():
            process.ask_to_stop()
        for process in self.processes.values():
            process.wait()

    def _stop_servers(self) -> None:
        self.valkey.stop()
        self.postgres.stop()


@contextmanager
def make_world(schedule: Schedule, keep: Path | None = None) -> Iterator[World]:
    """Yield a world that runs as long as the block does; its logs are copied to `keep`."""
    with (
        TemporaryDirectory(prefix="checkpoint-chaos-", ignore_cleanup_errors=True) as name,
        ExitStack() as stack,
    ):
        folder = Path(name)
        disk = stack.enter_context(small_disk(folder / "disk"))
        world = World(folder, schedule, disk, stack)
        if keep is not None:
            stack.callback(_copy_files, folder, keep)
        world.start()
        yield world


def _copy_files(folder: Path, keep: Path) -> None:
    keep.mkdir(parents=True, exist_ok=True)
    for file in (*folder.glob("*.log"), *folder.glob("*.jsonl")):
        shutil.copy(file, keep)


@contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """Yield a mounted file system of `DISK_BYTES`, or None where this user may not mount one."""
    folder.mkdir()
    folder.chmod(0o755)
    options = f"size={DISK_BYTES},mode=0755"
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)],
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError):
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=False, capture_output=True)
