"""Servers of the benchmark's own, set up as production would have them, and workers on them."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from checkpoint import Settings
from checkpoint.embedded import Postgres, Valkey


@contextmanager
def running() -> Iterator[Settings]:
    """Run Valkey, synced every second as by default, and Postgres; yield how to reach them."""
    with (
        TemporaryDirectory(prefix="checkpoint-bench-") as folder,
        Valkey(Path(folder) / "valkey", options={"appendfsync": "everysec"}) as valkey,
        Postgres(Path(folder) / "postgres") as postgres,
    ):
        yield Settings(redis_url=valkey.url, postgres_url=postgres.url)


@contextmanager
def worker(kind: str, settings: Settings) -> Iterator[int]:
    """Run a worker; yield its process id once it is ready."""
    environ = {
        **os.environ,
        "REDIS_URL": settings.redis_url,
        "POSTGRES_URL": settings.postgres_url or "",
        "CHECKPOINT_NAMESPACE": settings.namespace,
        "CHECKPOINT_LOG_MARGIN": "3600",
    }
    command = [sys.executable, "-m", "checkpoint", "worker", kind]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout  # noqa: S101 - a pipe was asked for
            process.stdout.readline()
            yield process.pid
        finally:
            process.terminate()


def resident_bytes(pid: int) -> int:
    """Return how much memory a process has."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def wait_until(done: object, seconds: float = 600.0) -> None:
    """Ask again and again until the answer is yes; TimeoutError."""
    deadline = time.monotonic() + seconds
    while not done():  # type: ignore[operator] # any callable
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.05)
