"""Commands about capsules, which are jobs in files: export, import."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import BinaryIO

import click

from checkpoint.answers import ask
from checkpoint.capsule import export_job as export_steps
from checkpoint.capsule import import_job as import_steps
from checkpoint.core import Core
from checkpoint.events.entry_id import utc
from checkpoint.events.errors import VersionConflict
from checkpoint.events.freshness import Place
from checkpoint.events.settings import Settings
from checkpoint.events.steps import Steps
from checkpoint.projector.fold import JobState
from checkpoint.query.capsule import Capsule, read_capsule
from checkpoint.query.pipeline import OPEN

from .completion import complete_job
from .output import in_place_of
from .progress import metered
from .reporting import looking, reported, run
from .words import plain, remaining, when


@click.command(name="export")
@click.argument("job", shell_complete=complete_job)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file; by default (or -) to stdout.",
)
@reported
def export_job(job: str, out: Path | None) -> None:
    """Write everything that is on record of JOB to one file, a capsule."""
    out = None if out == Path("-") else out
    try:
        with _opened(out) as file:
            entries = _export(job, file)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise click.ClickException(f"{out or 'stdout'} cannot be written: {error}") from error
    if out:
        counted = "1 entry" if entries == 1 else f"{entries:,} entries"
        click.echo(f"{plain(job)}: {counted} in {out}")


@click.command(name="import")
@click.argument("file", type=click.File("rb"))
@click.option("--as", "name", help="What the job is to be called here.")
@reported
def import_job(file: BinaryIO, name: str | None) -> None:
    """Let the job in the capsule FILE (- for stdin) go on here, with its checkpoints."""
    capsule = read_capsule(file.read())
    settings = Settings.from_env()
    job = name or capsule.job
    stages, state = run(settings, _imported(Core.of(settings, OPEN), capsule, job))
    expires = utc(state.expires_ms)
    on = f"after {', '.join(stages)}" if stages else "from the beginning"
    left = remaining(expires, datetime.now(UTC))
    click.echo(plain(f"{job}: goes on {on}; expires {when(expires)} ({left})"))


def _imported(core: Core, capsule: Capsule, job: str) -> Steps[tuple[list[str], JobState]]:
    try:
        stages = yield from import_steps(core, capsule, job)
    except VersionConflict as error:
        raise VersionConflict(
            f"Job {job!r} lives here already: give the other one another name with --as"
        ) from error
    return stages, (yield from ask(core, job)).state


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
