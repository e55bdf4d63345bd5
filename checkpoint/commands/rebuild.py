"""The command that makes views anew: rebuild."""

import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict
from threading import Event
from typing import TYPE_CHECKING

import click

from checkpoint.events.freshness import Place
from checkpoint.events.names import check_name
from checkpoint.events.settings import Settings
from checkpoint.events.steps import Steps
from checkpoint.query.listing.place import find_place
from checkpoint.query.lookup import Status, look_up_past, no_such_job
from checkpoint.query.undisturbed import undisturbed
from checkpoint.servers import Servers

from .progress import metered
from .reporting import as_json, look, reported
from .terminal import say_json
from .words import plain, times

if TYPE_CHECKING:
    from checkpoint.rebuild import Rebuilt

AT_ONCE = 2
"""Partitions that are rebuilt at a time: while Redis writes for one, the other is folded."""
SHOWN = 20


@click.command()
@click.option("--partition", type=click.IntRange(min=0), help="Only the views of this partition.")
@click.option("--job", help="Only the view of this job.")
@as_json
@reported
def rebuild(partition: int | None, job: str | None, *, as_json: bool) -> None:
    """Make what Redis keeps of jobs anew from archive and log, while the system runs.

    Says which views were lost or not what the log says, and which jobs were put back, for their
    heads were lost or could not be read. It can be interrupted and run again. Exits with 1 if a
    job had to be left as it was; --job lets one go on from what is on record of it.
    """
    if partition is not None and job is not None:
        raise click.UsageError("--partition and --job cannot be given together")
    rebuilt = _rebuild(partition) if job is None else look(lambda place: _rebuild_job(place, job))
    if as_json:
        say_json(asdict(rebuilt))
    else:
        click.echo(f"{times(rebuilt.views, 'view')} rebuilt")
        _list_jobs("lost or not what the log says until now", rebuilt.differed)
        _list_jobs("put back, whose heads were lost or could not be read", rebuilt.put_back)
        _list_jobs("dropped: keys that held something else", rebuilt.dropped)
        _list_jobs("left as they are: not all of their entries are on record", rebuilt.left)
    sys.exit(bool(rebuilt.left))


def _list_jobs(what: str, jobs: list[str]) -> None:
    if jobs:
        click.echo(f"{len(jobs):,} {what}:")
    for job in jobs[:SHOWN]:
        click.echo(f"  {plain(job)}")
    if len(jobs) > SHOWN:
        click.echo(f"  … and {len(jobs) - SHOWN:,} more: --json has them all")


def _rebuild_job(place: Place, job: str) -> Steps["Rebuilt"]:
    from checkpoint.rebuild import Rebuilt, rebuild_job  # noqa: PLC0415 - `--help` is fast

    rebuilt = yield from rebuild_job(place, check_name("job", job))
    if rebuilt == Rebuilt():
        known = yield from look_up_past(place, job)
        if known.status is Status.UNKNOWN:
            raise no_such_job(job, has_archive=place.has_archive)
    return rebuilt


def _rebuild(partition: int | None) -> "Rebuilt":
    settings = Settings.from_env()
    has_archive = settings.postgres_url is not None
    with closing(Servers(settings)) as servers:
        place = servers.run(find_place(settings.namespace, has_archive=has_archive))
        if partition is None:
            return _rebuild_all(servers, place, range(place.partitions))
        if partition >= place.partitions:
            raise click.UsageError(
                f"--partition {partition}: there are 0 to {place.partitions - 1}"
            )
        return _rebuild_all(servers, place, [partition])


def _rebuild_all(servers: Servers, place: Place, partitions: Iterable[int]) -> "Rebuilt":
    from checkpoint.rebuild import Rebuilt  # noqa: PLC0415 - `--help` is fast
    from checkpoint.rebuild import rebuild as steps  # noqa: PLC0415 - `--help` is fast

    done = dict.fromkeys(partitions, 0)
    stop = Event()
    with undisturbed(), metered("rebuilding") as meter, _threads(stop) as threads:

        def one(number: int) -> Rebuilt:
            def tell(views: int) -> None:
                if stop.is_set():
                    raise click.Abort
                done[number] = views
                written = sum(done.values())
                meter.show(written, f"{written:,} views")

            return servers.run(steps(place, number, tell))

        parts = list(threads.map(one, done))
    return Rebuilt(
        sum(part.views for part in parts),
        [job for part in parts for job in part.differed],
        [job for part in parts for job in part.left],
        [job for part in parts for job in part.put_back],
        [key for part in parts for key in part.dropped],
    )


@contextmanager
def _threads(stop: Event) -> Iterator[ThreadPoolExecutor]:
    """Yield threads that are told to stop if the block is interrupted."""
    threads = ThreadPoolExecutor(AT_ONCE)
    try:
        yield threads
    finally:
        stop.set()
        threads.shutdown(cancel_futures=True)
