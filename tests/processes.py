"""Worker processes for tests, and patience."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, TypeVar

from checkpoint import Settings

T = TypeVar("T")

PATIENCE_SECONDS = 30.0


def eventually(what: Callable[[], T], *, wanted: Callable[[T], bool] = bool) -> T:
    """Ask again and again until the answer is as wanted; fail with the last answer."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not wanted(answer := what()):
        assert time.monotonic() < deadline, f"still not as wanted: {answer!r}"
        time.sleep(0.02)
    return answer


def environ(settings: Settings, **more: str) -> dict[str, str]:
    """Return the variables that say what `settings` say of servers and log."""
    return {
        "REDIS_URL": settings.redis_url,
        "POSTGRES_URL": settings.postgres_url or "",
        "CHECKPOINT_NAMESPACE": settings.namespace,
        **more,
    }


@contextmanager
def running(
    *command: str, stderr: IO[str] | None = None, **environ: str
) -> Iterator[subprocess.Popen[str]]:
    """Run a command of this environment's Python as long as the block does."""
    process = subprocess.Popen(
        [sys.executable, *command],
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


@contextmanager
def worker(kind: str, environ: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run `checkpoint worker KIND`, once it is ready, as long as the block does."""
    with running("-m", "checkpoint", "worker", kind, **environ) as process:
        assert process.stdout
        line = process.stdout.readline()
        assert line.startswith(f"ready: {kind} has partitions"), line
        yield process
