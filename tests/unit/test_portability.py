"""What only Linux has is used behind a check, so that macOS does without."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from checkpoint.embedded import guardian

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("events", "projector", "snapshotter", "query", "checkpoint", "examples")
LINUX_ALONE = re.compile(
    r"/proc/|prctl|setpriv|\bsched_|pidfd|memfd|epoll|inotify|eventfd|signalfd|timerfd"
    r"|SO_PEERCRED|SOCK_CLOEXEC|\bsplice\(|fallocate|fadvise"
)
USED_IN = {
    "checkpoint/embedded/guardian.py": "sys.platform is asked first",
    "checkpoint/embedded/account.py": "setpriv is looked for first",
    "checkpoint/embedded/postgres.py": "a /proc that is not there says nothing",
}
MISSING = """
import importlib, os, select, signal, socket, sys
for module in (os, select, signal, socket):
    for name in dir(module):
        if name.startswith(("sched_", "pidfd", "memfd", "epoll", "eventfd", "posix_fa", "splice")):
            delattr(module, name)
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


def modules() -> list[str]:
    """Return the names of all modules of the package."""
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for folder in FOLDERS[:-1]
        for path in (ROOT / folder).rglob("*.py")
    ]
    return [name if name.startswith("checkpoint") else f"checkpoint.{name}" for name in names]


def test_what_only_linux_has_is_used_where_it_is_known() -> None:
    using = {
        str(path.relative_to(ROOT))
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        if LINUX_ALONE.search(path.read_text(encoding="utf-8"))
    }
    assert using == set(USED_IN)


def test_all_is_imported_without_it() -> None:
    assert "checkpoint.events.transport" in modules()
    done = subprocess.run(
        [sys.executable, "-c", MISSING, *modules()],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_only_linux_is_asked_to_stop_a_child_of_a_dead_guardian(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert guardian._outlived_by_nobody(signal.SIGTERM) is None  # noqa: SLF001 - a script's own
    monkeypatch.setattr(sys, "platform", "linux")
    assert guardian._outlived_by_nobody(signal.SIGTERM) is not None  # noqa: SLF001 - as above
