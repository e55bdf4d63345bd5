"""A file system that is soon full."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DISK_BYTES = 256 * 1024 * 1024


@contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """Yield a mounted file system of `DISK_BYTES`, or None where this user may not mount one."""
    folder.mkdir()
    folder.chmod(0o755)
    options = f"size={DISK_BYTES},mode=0755"
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)],
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError):
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=False, capture_output=True)
