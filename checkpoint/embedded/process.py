"""A child process that is stopped when this process ends, however it ends."""

import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_GUARDIAN = Path(__file__).with_name("guardian.py")


class GuardedProcess:
    """A command under a guardian, which stops it when this process stops it or is no more."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        folder: Path,
        environment: Mapping[str, str],
        stop_signal: signal.Signals,
        stop_seconds: float,
        keep_open: Sequence[int] = (),
    ) -> None:
        """Start `command` in `folder`; its output is appended to `log`.

        It is asked to stop by `stop_signal` and killed `stop_seconds` later. The file descriptors
        `keep_open` stay open in it.
        """
        guardian = (sys.executable, "-I", "-S", str(_GUARDIAN))
        with log.open("ab") as output:
            self._guardian = subprocess.Popen(
                [*guardian, str(int(stop_signal)), str(stop_seconds), *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                cwd=folder,
                env=environment,
                pass_fds=keep_open,
                start_new_session=True,  # Ctrl-C in the terminal is for the parent alone
            )
        assert self._guardian.stdout is not None  # noqa: S101 - it is a pipe, mypy cannot tell
        with self._guardian.stdout as pid:
            self.pid = int(pid.readline() or 0)

    @property
    def is_running(self) -> bool:
        """Whether the command has not ended yet."""
        return self._guardian.poll() is None

    @property
    def exit_code(self) -> int | None:
        """The command's exit code (128 + n for signal n), None while it runs."""
        return self._guardian.poll()

    def ask_to_stop(self) -> None:
        """Send the stop signal and return at once."""
        if self._guardian.stdin is not None:
            self._guardian.stdin.close()

    def wait(self) -> int:
        """Wait until the command has ended and return its exit code; interrupted, stop it."""
        try:
            return self._guardian.wait()
        finally:
            self.ask_to_stop()
