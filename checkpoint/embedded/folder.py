"""A folder that one process tree uses at a time, and what is kept in it."""

import fcntl
import hashlib
import os
import secrets
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from checkpoint.events.endpoints import LOCK_FILE
from checkpoint.events.errors import FolderInUse, ServerStartError

Tell = Callable[[str], None]

_STOPPING_SECONDS = 70.0  # what a server whose parent was killed may take to stop, and some
_TELL_AFTER_SECONDS = 2.0
_LONGEST_SOCKET_FOLDER = 80  # bytes; a socket's whole path has 103 on macOS, 107 on Linux


def make_private(folder: Path) -> Path:
    """Create `folder` for this user alone, parents and all; ServerStartError if that fails."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ServerStartError(
            f"The data folder {folder} cannot be created: {error.strerror}. Name another one."
        ) from error
    return folder


def write_private(path: Path, text: str) -> None:
    """Write a whole file, readable by this user alone, in one step."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def kept_secret(path: Path) -> Path:
    """Return `path`, a file with a password; one is made up at the first call."""
    if not path.exists():
        write_private(path, secrets.token_hex(24))
    return path


def socket_folder(folder: Path) -> Path:
    """Return where the sockets of the server in `folder` go: there, or a short path if it is long.

    The short path is the same at each start, so that endpoints do not change. ServerStartError
    if it is taken by somebody else.
    """
    if len(os.fsencode(folder)) <= _LONGEST_SOCKET_FOLDER:
        return folder
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    short = Path("/tmp", f"checkpoint-{os.geteuid()}-{digest}")  # noqa: S108 - checked below
    short.mkdir(mode=0o700, exist_ok=True)
    found = short.lstat()
    if not (stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()) or found.st_mode & 0o077:
        raise ServerStartError(f"{short} is not a folder of this user's alone: remove it.")
    return short


class FolderLock:
    """Holds a folder for as long as any process has the lock's file descriptor open.

    Children that inherit the descriptor hold the folder too: whoever gets the lock knows that
    they are gone.
    """

    def __init__(self, folder: Path) -> None:
        """Do nothing yet."""
        self._folder = folder
        self._file: IO[str] | None = None

    def acquire(self, tell: Tell) -> int:
        """Take the lock and return its file descriptor; FolderInUse if a live process has it.

        If its holder is dead, what it started is still stopping, and the lock is waited for.
        """
        file = (self._folder / LOCK_FILE).open("a+", encoding="utf-8")
        try:
            self._wait_for(file, tell)
        except BaseException:
            file.close()
            raise
        self._file = file
        self.name_holders(os.getpid())
        return file.fileno()

    def name_holders(self, *pids: int) -> None:
        """Write down who has the lock, for the messages of those who do not get it.

        They wait if one of the processes is dead, and are refused if all live.
        """
        if self._file is not None:
            self._file.truncate(0)
            self._file.write(" ".join(map(str, pids)))
            self._file.flush()

    def release(self) -> None:
        """Let go of the lock; children that inherited it keep it until they end."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _wait_for(self, file: IO[str], tell: Tell) -> None:
        begun = time.monotonic()
        told = False
        while not _try_lock(file):
            waited = time.monotonic() - begun
            holders = _read_holders(file)
            if waited > _STOPPING_SECONDS or (holders and all(map(_is_alive, holders))):
                pid = holders[0] if holders else "unknown"
                raise FolderInUse(
                    f"The folder {self._folder} is in use by process {pid}: "
                    "stop it, or name another folder."
                )
            if waited > _TELL_AFTER_SECONDS and not told:
                tell(f"waiting for the last user of {self._folder} to stop")
                told = True
            time.sleep(0.05)


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_holders(file: IO[str]) -> list[int]:
    file.seek(0)
    return [int(pid) for pid in file.read().split() if pid.isdecimal()]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's, and alive
    return True
