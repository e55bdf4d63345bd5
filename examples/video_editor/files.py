"""Files that a checkpoint can vouch for: written whole or not at all, known by size and sum."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

Report = Callable[[float], None]
"""Takes how much of a stage is done, from 0 to 1."""

CHUNK = 1 << 20


class StoredFile(msgspec.Struct, frozen=True):
    """A file as it was when its stage ended: size in bytes, SHA-256 in hexadecimal."""

    path: str
    size: int
    sha256: str


def record(path: Path, report: Report | None = None) -> StoredFile:
    """Measure a file. Raises OSError when it cannot be read."""
    size = path.stat().st_size
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            if report:
                report(file.tell() / size)
    return StoredFile(str(path.resolve()), size, digest.hexdigest())


def fault(stored: StoredFile, path: Path | None = None) -> str | None:
    """Say why the file can no longer be trusted, or None when it is as it was recorded."""
    path = path or Path(stored.path)
    if not path.is_file():
        return f"{path} is gone"
    if (size := path.stat().st_size) != stored.size:
        return f"{path} has {size:,} bytes, not the {stored.size:,} on record"
    if record(path).sha256 != stored.sha256:
        return f"{path} is not the file on record: its SHA-256 differs"
    return None


@contextmanager
def published(path: Path) -> Iterator[Path]:
    """Yield a temporary name in the same folder; the file gets its own name when it is whole.

    It is on disk before it is renamed, so that a crash at any moment leaves either no file of
    that name or a complete one. After an exception the temporary file is removed.
    """
    unfinished = path.with_name(f"unfinished-{path.name}")
    try:
        yield unfinished
        _sync(unfinished)
        unfinished.replace(path)
        _sync(path.parent)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: object) -> StoredFile:
    """Publish a value as JSON."""
    with published(path) as unfinished:
        unfinished.write_bytes(msgspec.json.encode(value))
    return record(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
