"""A terminal of eighty columns, and a command that runs on it."""

import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from processes import PATIENCE_SECONDS

COLUMNS, ROWS = 80, 24
UNSEEN_SECONDS = 5.0
STYLE = re.compile(r"\x1b\[[\d;]*m")
OWN_TERMINAL = 'exec "$@" <"$0" >"$0" 2>&1'
"""A session's first process gets the terminal that it opens for its own, with its Ctrl-C."""


class Screen:
    """Runs `checkpoint` on a terminal of its own, types, and reads what comes."""

    def __init__(self, words: Sequence[str], environ: Mapping[str, str]) -> None:
        self.said = ""
        self._ours, self._theirs = pty.openpty()
        termios.tcsetwinsize(self._theirs, (ROWS, COLUMNS))
        name = os.ttyname(self._theirs)
        command = ["/bin/sh", "-c", OWN_TERMINAL, name, sys.executable, "-m", "checkpoint", *words]
        inherited = {key: text for key, text in os.environ.items() if key != "NO_COLOR"}
        self._process = subprocess.Popen(
            command, env={**inherited, "TERM": "xterm-256color", **environ}, start_new_session=True
        )

    @property
    def text(self) -> str:
        """What was said, without colours and other styles."""
        return STYLE.sub("", self.said)

    def shows(self, text: str) -> None:
        """Read on until the text has come."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while text not in self.text:
            assert time.monotonic() < deadline, f"{text!r} did not come: {self.said[-500:]!r}"
            assert self._read() or self._process.poll() is None, f"it ended: {self.said[-500:]!r}"

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._ours, keys.encode())

    def interrupt(self) -> int:
        """Press Ctrl-C, and again where that was not seen; return the exit code.

        Python does not see one that comes between a prompt and the wait for an answer.
        """
        self.press("\x03")
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(UNSEEN_SECONDS)
        if self._process.poll() is None:
            self.press("\x03")
        return self.ends()

    def ends(self) -> int:
        """Read to the end, and return the exit code."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._process.poll() is None:
            assert time.monotonic() < deadline, f"it does not end: {self.said[-500:]!r}"
            self._read()
        while self._read():
            pass
        os.close(self._ours)
        os.close(self._theirs)
        return self._process.wait()

    def _read(self) -> bool:
        ready, _, _ = select.select([self._ours], [], [], 0.1)
        if ready:
            self.said += os.read(self._ours, 65536).decode(errors="replace")
        return bool(ready)
