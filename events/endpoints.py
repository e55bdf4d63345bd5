"""Where a running `checkpoint up` says that its servers listen."""

import fcntl
import os
from collections.abc import Mapping
from pathlib import Path

ENDPOINTS_FILE = "endpoints.env"
LOCK_FILE = "lock"


def default_folder() -> Path:
    """Return the data folder of a `checkpoint up` that was given none.

    `$XDG_DATA_HOME/checkpoint`, or `~/.local/share/checkpoint` where that is not an absolute path.
    Raises RuntimeError where this user has no home.
    """
    base = Path(os.environ.get("XDG_DATA_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".local/share") / "checkpoint"


def running_endpoints(folder: Path | None = None) -> Mapping[str, str] | None:
    """Return what the `checkpoint up` that runs on `folder` says of itself, or None if none does.

    `REDIS_URL` and `POSTGRES_URL` are its servers, `UP_PID` is its process id. The default is the
    folder that `checkpoint up` takes by default. Raises nothing: a folder that cannot be read
    is one that this user's `checkpoint up` does not run on.
    """
    try:
        folder = default_folder() if folder is None else folder
        if not _is_locked(folder / LOCK_FILE):
            return None
        lines = (folder / ENDPOINTS_FILE).read_text(encoding="utf-8").splitlines()
    except (OSError, RuntimeError, UnicodeDecodeError):
        return None
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _is_locked(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
