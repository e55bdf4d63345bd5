"""Commands about capsules, which are jobs in files: export, import."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import BinaryIO

import click

from checkpoint.capsule import export_job as export_steps
from checkpoint.capsule import import_job as import_steps
from checkpoint.core import Core
from checkpoint.events.freshness import Place
from checkpoint.events.settings import Settings
from checkpoint.events.steps import Steps
from checkpoint.query.capsule import read_capsule
from checkpoint.query.pipeline import OPEN

from .completion import complete_job
from .output import in_place_of
from .progress import metered
from .reporting import looking, reported, run
from .words import plain


@click.command(name="export")
@click.argument("job", shell_complete=complete_job)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
@reported
def export_job(job: str, out: Path | None) -> None:
    """Write everything that is on record of JOB to one file, a capsule."""
    try:
        with _opened(out) as file:
            entries = _export(job, file)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise click.ClickException(f"{out or 'stdout'} cannot be written: {error}") from error
    if out:
        click.echo(f"{plain(job)}: {entries} entries in {out}")


@click.command(name="import")
@click.argument("file", type=click.File("rb"))
@click.option("--as", "name", help="What the job is to be called here.")
@reported
def import_job(file: BinaryIO, name: str | None) -> None:
    """Let the job in the capsule FILE (- for stdin) go on here, with its checkpoints."""
    capsule = read_capsule(file.read())
    settings = Settings.from_env()
    stages = run(settings, import_steps(Core.of(settings, OPEN), capsule, name))
    click.echo(
        f"{plain(name or capsule.job)}: goes on after {', '.join(stages) or 'no checkpoint'}"
    )


@contextmanager
def _opened(out: Path | None) -> Iterator[BinaryIO]:
    """Open stdout, a device or a pipe, or a file that is there once all is written."""
    if out is None:
        yield (stdout := click.get_binary_stream("stdout"))
        stdout.flush()
    else:
        with in_place_of(out) as part, part.open("wb") as file:
            yield file


def _export(job: str, file: BinaryIO) -> int:
    settings = Settings.from_env()
    lines = count()
    with metered(f"export {plain(job)}") as meter:

        def write(line: bytes) -> None:
            file.write(line)
            meter.show(number := next(lines), f"{number:,} entries")

        def steps(_: Place) -> Steps[int]:
            return (yield from export_steps(Core.of(settings, OPEN), job, write))

        return run(settings, looking(settings, steps))
