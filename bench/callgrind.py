"""Callgrind: counts a program's instructions, which no other program on the machine changes."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from checkpoint.embedded import Valkey


def program() -> str | None:
    """Find valgrind on the path."""
    return shutil.which("valgrind")


def instructions(command: Sequence[str], out: Path) -> int:
    """Run a command to its end; return how many instructions it took. The counts go to `out`."""
    environ = {**os.environ, "PYTHONHASHSEED": "0"}
    subprocess.run([*_callgrind(out), *command], env=environ, capture_output=True, check=True)
    return _total(out)


class CountedValkey(Valkey):
    """A Valkey whose instructions are counted; it is some fifty times slower."""

    def instructions(self, call: Callable[[int], object], calls: int) -> float:
        """Return how many instructions the server takes for a call."""
        self._control("--zero")
        for number in range(calls):
            call(number)
        dumps = len(list(self.folder.glob(f"{self._counts.name}.*")))
        self._control("--dump")
        return _total(self._counts.with_name(f"{self._counts.name}.{dumps + 1}")) / calls

    @property
    def _counts(self) -> Path:
        return self.folder / "counts"

    def _command(self) -> Sequence[str]:
        return [*_callgrind(self._counts), *super()._command()]

    def _control(self, what: str) -> None:
        # it comes with valgrind, so it is on the path too
        command = ["callgrind_control", what, str(self.pid)]
        subprocess.run(command, capture_output=True, check=True)


def _callgrind(out: Path) -> list[str]:
    return [str(program()), "--tool=callgrind", f"--callgrind-out-file={out}"]


def _total(counts: Path) -> int:
    found = re.search(
        r"^(?:summary|totals): (\d+)", counts.read_text(encoding="utf-8"), re.MULTILINE
    )
    return int(found[1]) if found else 0
