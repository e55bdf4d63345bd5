"""Files that commands write: a file is there when all of it is written."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click


@contextmanager
def in_place_of(out: Path) -> Iterator[Path]:
    """Yield a file that becomes `out` when the block ends well; a device or a pipe is itself."""
    if not out.absolute().parent.is_dir():
        raise click.ClickException(f"{out} cannot be written: there is no folder {out.parent}")
    part = out if out.exists() and not out.is_file() else out.with_name(f"{out.name}.part")
    try:
        yield part
        if part != out:
            part.replace(out)
    except OSError as error:
        why = error.strerror or error
        raise click.ClickException(f"{out} cannot be written: {why}") from error
    finally:
        if part != out:
            with suppress(OSError):
                part.unlink(missing_ok=True)
