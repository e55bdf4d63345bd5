"""What the embedded servers and the workers under `checkpoint up` have in common."""

import os
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from checkpoint.events.errors import ServerStartError

from .folder import FolderLock, Tell, make_private
from .process import GuardedProcess

_START_SECONDS = 300.0  # a server that reads back a large log is slow, not dead
_TELL_EVERY_SECONDS = 5.0
_LOG_TAIL_BYTES = 2000


def silent(_: str) -> None:
    """Tell nobody."""


class Service(ABC):
    """A child process with a folder of its own, which it holds while it runs.

    It is stopped by `stop()`, at the end of a `with` block, and when this process dies, be it by
    SIGKILL.
    """

    name: str
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    stop_seconds: ClassVar[float] = 60.0

    def __init__(self, folder: Path) -> None:
        """Take `folder` for the service's data, its lock and its log; nothing is started."""
        self.folder = folder.absolute()
        self._lock = FolderLock(self.folder)
        self._process: GuardedProcess | None = None
        self._log_begin = 0

    @property
    def log(self) -> Path:
        """The file that the output of this and earlier runs is in."""
        return self.folder / f"{self.name}.log"

    @property
    def pid(self) -> int | None:
        """The process id of the service itself; None while it does not run."""
        return self._process.pid if self._process and self._process.is_running else None

    @property
    def is_running(self) -> bool:
        """Whether the process lives; it need not be ready."""
        return self._process is not None and self._process.is_running

    @property
    def exit_code(self) -> int | None:
        """The exit code of the last run (128 + n for signal n); None while there is none."""
        return self._process.exit_code if self._process else None

    def start(self, tell: Tell = silent) -> None:
        """Start and wait until ready; `tell` hears what takes long.

        Raises ServerStartError (with the end of the log), FolderInUse or ExtraMissing.
        """
        self.launch(tell)
        try:
            self.wait_until_ready(tell)
        except BaseException:
            self.stop()
            raise

    def launch(self, tell: Tell = silent) -> None:
        """Start the process and return at once; after a crash this is all it takes.

        Raises as `start` does.
        """
        if self.is_running:
            raise ServerStartError(f"{self.name} runs already, as process {self.pid}.")
        self.stop()
        make_private(self.folder)
        lock = self._lock.acquire(tell)
        try:
            self._prepare(lock, tell)
            self._log_begin = self.log.stat().st_size if self.log.exists() else 0
            self._process = self._guard(self._command(), lock)
        except BaseException:
            self.stop()
            raise
        self._lock.name_holders(os.getpid(), self._process.pid)

    def wait_until_ready(self, tell: Tell = silent) -> None:
        """Wait for what `launch` has begun; raises ServerStartError if it fails."""
        begun = told = time.monotonic()
        while not self.is_ready():
            now = time.monotonic()
            if not self.is_running:
                raise self._not_started(f"ended with exit code {self.exit_code}")
            if now - begun > _START_SECONDS:
                raise self._not_started(f"was not ready after {_START_SECONDS:.0f} seconds")
            if now - told > _TELL_EVERY_SECONDS:
                tell(f"{self.name} is still starting ({now - begun:.0f} s), see {self.log}")
                told = now
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop the process if it runs, gracefully; after `stop_seconds` it is killed."""
        self.ask_to_stop()
        if self._process is not None:
            self._process.wait()
        self._lock.release()

    def ask_to_stop(self) -> None:
        """Begin to stop and return at once; `stop` waits for the end."""
        if self._process is not None:
            self._process.ask_to_stop()

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether the service does its work now."""

    def _prepare(self, lock: int, tell: Tell) -> None:  # noqa: ARG002 - for those that do more
        """Do what comes before a start; `lock` is for child processes to inherit."""
        make_private(self._work_folder)

    @abstractmethod
    def _command(self) -> Sequence[str]: ...

    @property
    def _work_folder(self) -> Path:
        return self.folder

    @property
    def _environment(self) -> Mapping[str, str]:
        """This process's environment, without what would change where a client connects."""
        ours = ("PG", "POSTGRES_", "REDIS_")
        return {name: text for name, text in os.environ.items() if not name.startswith(ours)}

    def _guard(self, command: Sequence[str], lock: int) -> GuardedProcess:
        return GuardedProcess(
            command,
            log=self.log,
            folder=self._work_folder,
            environment=self._environment,
            stop_signal=self.stop_signal,
            stop_seconds=self.stop_seconds,
            keep_open=[lock],
        )

    def _not_started(self, why: str) -> ServerStartError:
        tail = self._output()[-_LOG_TAIL_BYTES:].strip() or "(nothing)"
        return ServerStartError(f"{self.name} {why}. The end of {self.log}:\n{tail}")

    def _output(self) -> str:
        """Return what this run has written to the log."""
        with self.log.open("rb") as log:
            log.seek(self._log_begin)
            return log.read().decode(errors="replace")

    def __enter__(self) -> Self:
        """Start, in silence."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()
