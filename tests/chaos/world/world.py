"""The world of a run: servers, links, workers and producers, each of them a process to be hurt."""

import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil  # type: ignore[import-untyped]  # its stubs are a package of their own
from chaos.faults.schedule import Schedule
from psycopg.conninfo import conninfo_to_dict

from checkpoint.embedded import Postgres
from checkpoint.embedded.process import GuardedProcess

from .links import Link, listening
from .names import (
    CALL_SECONDS,
    NAMESPACE,
    PAIRS,
    PARTITIONS,
    PROCESSES,
    PRODUCERS,
    SERVERS,
)
from .redis_pair import RedisPair
from .small_disk import small_disk

MARGIN_SECONDS = 4.0
"""Entries stay in the log so long: the log is trimmed during the run."""

MUTANT = "CHAOS_MUTANT"
"""The variable that names what is to be broken in the product: see mutants."""

_TESTS = Path(__file__).parents[2]
_SMALL = {"shared_buffers": "16MB", "max_wal_size": "64MB", "min_wal_size": "32MB"}


@dataclass
class World:
    """All processes of a run, by name."""

    folder: Path
    schedule: Schedule
    disk: Path | None
    """A small file system that Postgres' data is on, if this user may mount one."""
    stack: ExitStack
    mutant: str = ""
    redis: RedisPair = field(init=False)
    postgres: Postgres = field(init=False)
    links: dict[str, Link] = field(init=False)
    processes: dict[str, GuardedProcess] = field(default_factory=dict)
    deaths: list[str] = field(default_factory=list)
    """Who ended though nobody killed them."""
    _lives: dict[str, Iterator[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.redis = RedisPair(self.folder, self.schedule.fsync)
        self.postgres = Postgres((self.disk or self.folder) / "postgres", options=_SMALL)
        host = conninfo_to_dict(self.postgres.url)["host"]
        sockets = {"valkey": self.redis.primary.socket, "postgres": f"{host}/.s.PGSQL.5432"}
        self.links = {
            name: Link(sockets[server]) for server in SERVERS for name in (*PAIRS[server], server)
        }

    def start(self) -> None:
        """Start everything."""
        self.stack.callback(self._stop_servers)
        self.redis.start()
        self.postgres.start()
        self.stack.enter_context(listening(*self.links.values()))
        self.stack.callback(self._stop_processes)
        for name in PROCESSES:
            self.start_process(name)

    def start_process(self, name: str) -> None:
        """Start a worker or producer."""
        life = next(self._lives.setdefault(name, count()))
        kind, _, flavour = name.partition("-")
        command = ["checkpoint", "worker", kind]
        if kind == "producer":
            skew = self.schedule.skews[PRODUCERS.index(name)]
            seed = self.schedule.seed
            command = ["chaos.producers", flavour, *map(str, (life, seed, skew))]
            command.append(str(self.records(name)))
        self.processes[name] = GuardedProcess(
            [sys.executable, "-m", "chaos.mutants.launch", *command],
            log=self.folder / f"{name}.log",
            folder=self.folder,
            environment=self.environment(name),
            stop_signal=signal.SIGKILL if kind == "producer" else signal.SIGTERM,
            stop_seconds=10.0,
        )

    def records(self, producer: str) -> Path:
        """Say where a producer keeps its records."""
        return self.folder / f"{producer}.jsonl"

    def environment(self, process: str) -> Mapping[str, str]:
        """Return the variables that lead through a process' links."""
        ours = ("PG", "POSTGRES_", "REDIS_", "CHECKPOINT_")
        others = {name: text for name, text in os.environ.items() if not name.startswith(ours)}
        return {
            **others,
            MUTANT: self.mutant,
            "PYTHONPATH": os.pathsep.join([str(_TESTS), os.environ.get("PYTHONPATH", "")]),
            "REDIS_URL": self.redis_url(f"{process} to valkey"),
            "POSTGRES_URL": self.postgres_url(f"{process} to postgres"),
            "CHECKPOINT_NAMESPACE": NAMESPACE,
            "CHECKPOINT_PARTITIONS": str(PARTITIONS),
            "CHECKPOINT_TIMEOUT": str(CALL_SECONDS),
            "CHECKPOINT_LOG_MARGIN": str(MARGIN_SECONDS),
        }

    def direct(self) -> Mapping[str, str]:
        """Return the variables that lead past all links that a fault hits."""
        urls = {
            "REDIS_URL": self.redis_url("valkey"),
            "POSTGRES_URL": self.postgres_url("postgres"),
        }
        return {**self.environment(PRODUCERS[0]), **urls}

    def redis_url(self, link: str) -> str:
        """Return the URL of Redis behind a link."""
        return f"redis://127.0.0.1:{self.links[link].port}/0"

    def postgres_url(self, link: str) -> str:
        """Return the URL of Postgres behind a link."""
        port = self.links[link].port
        return f"postgresql://postgres@127.0.0.1:{port}/postgres?sslmode=disable&gssencmode=disable"

    def point_at_primary(self) -> None:
        """Let new connections lead to Redis' primary; open ones stay with whom they have."""
        for name in (*PAIRS["valkey"], "valkey"):
            self.links[name].path = self.redis.primary.socket

    def pids(self, name: str) -> list[int]:
        """Return the process ids of a worker, producer or server, with those of its children."""
        if name == "valkey":
            pid = self.redis.primary.server.pid
        else:
            pid = self.postgres.pid if name == "postgres" else self.processes[name].pid
        with suppress(psutil.NoSuchProcess):
            if pid is not None:
                return [pid, *(one.pid for one in psutil.Process(pid).children(recursive=True))]
        return []

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to all processes of one of us."""
        for pid in self.pids(name):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self, name: str) -> None:
        """SIGKILL, and wait until it is gone."""
        self._note_death(name)
        self.signal(name, signal.SIGSTOP)  # or it might fork between the look and the signal
        self.signal(name, signal.SIGKILL)
        if name == "valkey":
            self.redis.primary.server.stop()
        elif name == "postgres":
            self.postgres.stop()
        else:
            self.processes[name].wait()

    def restart(self, name: str) -> None:
        """Start again what was killed, unless it lives."""
        if name == "valkey":
            self.redis.primary.restart()
        elif name != "postgres":
            self.start_process(name)
        elif not self.postgres.is_running:
            self.postgres.start()

    def note_deaths(self) -> None:
        """Note who ended though nobody killed them."""
        for name in self.processes:
            self._note_death(name)
        servers = [*(node.server for node in self.redis.nodes), self.postgres]
        self.deaths += [server.name for server in servers if not server.is_running]

    def _note_death(self, name: str) -> None:
        process = self.processes.get(name)
        if process is not None and not process.is_running:
            self.deaths.append(f"{name}, with exit code {process.exit_code}")

    def stop_producers(self) -> None:
        """Stop all producers."""
        for name in PRODUCERS:
            self.signal(name, signal.SIGSTOP)
            self.signal(name, signal.SIGKILL)
            self.processes[name].wait()

    def _stop_processes(self) -> None:
        for process in self.processes.values():
            process.ask_to_stop()
        for process in self.processes.values():
            process.wait()

    def _stop_servers(self) -> None:
        self.redis.stop()
        self.postgres.stop()


@contextmanager
def make_world(schedule: Schedule, keep: Path | None = None, mutant: str = "") -> Iterator[World]:
    """Yield a world that runs as long as the block does; its logs are copied to `keep`."""
    with (
        TemporaryDirectory(prefix="checkpoint-chaos-", ignore_cleanup_errors=True) as name,
        ExitStack() as stack,
    ):
        folder = Path(name)
        disk = stack.enter_context(small_disk(folder / "disk"))
        world = World(folder, schedule, disk, stack, mutant)
        if keep is not None:
            stack.callback(_copy_files, folder, keep)
        world.start()
        yield world


def _copy_files(folder: Path, keep: Path) -> None:
    keep.mkdir(parents=True, exist_ok=True)
    for file in (*folder.glob("*.log"), *folder.glob("*.jsonl"), *folder.glob("*/*.log")):
        shutil.copy(file, keep)
