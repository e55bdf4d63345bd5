"""Commands that prove what happened: verify, digest."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO

import click
import msgspec

from checkpoint.events.entry_id import EntryId
from checkpoint.events.errors import ArchiveNotConfigured, LogNotReady
from checkpoint.events.freshness import Place
from checkpoint.events.settings import Settings
from checkpoint.events.steps import AskArchive, Steps
from checkpoint.query.lookup import Status, ask_archive, look_up_past, no_such_job

from .progress import Meter, metered
from .reporting import as_json, place_of, reported, run
from .terminal import note, say_json
from .words import plain, times

if TYPE_CHECKING:
    from checkpoint.query.verify.report import Report
    from checkpoint.snapshotter.digest import Digest
    from checkpoint.snapshotter.discrepancy import Discrepancy


@click.command()
@click.argument("job", required=False)
@click.option(
    "--against",
    type=click.File("rb"),
    help="A digest that was kept: the archive must still come to it.",
)
@click.option("--archive-only", is_flag=True, help="Leave Redis out.")
@as_json
@reported
def verify(job: str | None, *, against: BinaryIO | None, archive_only: bool, as_json: bool) -> None:
    """Compare view, log and archive event by event; name each difference, and exit with 1 if any.

    The archive's rows are chained by hashes: one that was edited, removed, inserted or moved is
    found. Who may write there can compute the hashes anew; only a digest that is kept elsewhere
    (--against) finds that. Nothing can be proved of what never was archived.

    Of a discarded dead letter only a hash is left, which does not tell that it was one: each is
    listed in a note, and more of them than at the time of the digest are a difference.

    All may be running meanwhile. What archive or views do not have yet is lag, and no difference.
    Read access to Postgres is enough. Rows that an earlier release stored are named.
    """
    from checkpoint.query.verify import verify as steps  # noqa: PLC0415 - psycopg
    from checkpoint.query.verify.report import Report  # noqa: PLC0415 - psycopg

    if job and against:
        raise click.UsageError("--against checks the whole archive: leave JOB out")
    kept = _read_digest(against) if against else None
    settings = Settings.from_env()
    found: list[Discrepancy] = []
    with metered("verifying", 1.0) as meter:
        report = Report(found.append if as_json else _say, _shown_on(meter))

        def verified() -> Steps[None]:
            place = yield from (_archive_of(settings) if archive_only else place_of(settings))
            yield from steps(place, report, job=job or "", kept=kept, with_redis=not archive_only)
            if job and not (report.rows or report.differences or report.without_redis):
                yield from _must_be_known(place, job, in_redis=not archive_only)

        run(settings, verified())
    well = not (report.differences or report.without_redis or report.without_archive)
    if as_json:
        say_json(
            {
                "is_well": well,
                "differences": [_described(one) for one in found],
                "rows": report.rows,
                "views": report.jobs,
                "without_redis": report.without_redis or None,
                "without_archive": report.without_archive or None,
                "notes": report.notes,
            }
        )
    else:
        _conclude(report, without_redis=archive_only or bool(report.without_redis))
    sys.exit(not well)


@click.command()
@as_json
@reported
def digest(*, as_json: bool) -> None:
    """Print a digest of the archive: keep its JSON elsewhere, for `verify --against`.

    Of every partition the last chained entry, how many rows there are up to it, how many of those
    are discarded dead letters, and the hash over all. Nobody can change a row of that time without
    this hash coming out otherwise, or discard one without there being more.
    """
    from checkpoint.snapshotter.digest import take  # noqa: PLC0415 - psycopg

    settings = Settings.from_env()

    def steps() -> Steps["Digest"]:
        taken: Digest = yield AskArchive(take)
        return taken

    taken = run(settings, steps())
    if as_json:
        say_json(msgspec.to_builtins(taken))
        return
    click.echo(f"log {taken.log}")
    for one in taken.partitions:
        rows = times(one.rows, "row")
        gone = f", {one.discarded} discarded," if one.discarded else ""
        click.echo(f"  partition {one.partition}: {rows}{gone} up to {one.position}  {one.chain}")


def _must_be_known(place: Place, job: str, *, in_redis: bool) -> Steps[None]:
    """Raise JobNotLive where nobody knows of the job: then nothing was compared."""
    known = yield from (look_up_past(place, job) if in_redis else ask_archive(job))
    if known.status is Status.UNKNOWN:
        raise no_such_job(job, has_archive=place.has_archive)


def _archive_of(settings: Settings) -> Steps[Place]:
    """Say where the log is without asking Redis."""
    if settings.postgres_url is None:
        raise ArchiveNotConfigured
    log = yield AskArchive(lambda archive: archive.find_log())
    if log is None:
        raise LogNotReady(f"The archive knows no log {settings.namespace!r}")
    return Place(settings.namespace, log.partitions, has_archive=True)


def _read_digest(file: BinaryIO) -> "Digest":
    from checkpoint.snapshotter.digest import Digest  # noqa: PLC0415 - psycopg

    try:
        kept = msgspec.json.decode(file.read(), type=Digest)
        for one in kept.partitions:
            EntryId.parse(one.position)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
        raise click.BadParameter(
            f"{file.name} is no digest as `checkpoint digest --json` prints it: {error}",
            param_hint="--against",
        ) from error
    return kept


def _described(one: "Discrepancy") -> dict[str, Any]:
    """Describe a difference with the names that all commands' JSON has."""
    return {
        "kind": one.kind,
        "what": one.what,
        "cure": one.mended_by,
        "partition": one.partition,
        "id": one.entry or None,
        "job_id": one.job or None,
        "version": one.version or None,
    }


def _say(one: "Discrepancy") -> None:
    click.echo(plain(str(one)))


def _shown_on(meter: Meter) -> Callable[["Report"], None]:
    def show(report: "Report") -> None:
        total = max(report.rows, report.total, 1)
        meter.show(report.rows / total, f"{report.rows:,} of {total:,} rows, {report.jobs:,} jobs")

    return show


def _conclude(report: "Report", *, without_redis: bool) -> None:
    for one in report.notes:
        note(one)
    if report.without_redis:
        note(f"Redis was left out: {report.without_redis}")
    if report.without_archive:
        note(f"There is no archive to compare with: {report.without_archive}")
    over = [] if report.without_archive else [times(report.rows, "archived row")]
    over += [] if without_redis else [f"{times(report.jobs, 'job')} in Redis"]
    differences = times(report.differences, "difference") if report.differences else "no difference"
    left = "; the jobs in Redis were not compared" if without_redis else ""
    click.echo(f"{', '.join(over)}: {differences}{left}")
