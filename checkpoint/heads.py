"""Heads: putting back jobs whose heads in Redis are gone, or cannot be read.

What a job's log entries come to is the truth, and its head and its view are made of them. A head
that is written anew holds no claim, as after a restore: its holder gets StaleClaim.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from functools import partial
from itertools import islice

from checkpoint.events.entry import Entry
from checkpoint.events.entry_id import ZERO
from checkpoint.events.errors import LogNotReady
from checkpoint.events.freshness import Place, on_fresh_log, redis_ms
from checkpoint.events.keys import PartitionKeys
from checkpoint.events.script import Argument, Call, Script
from checkpoint.events.steps import AskArchive, Steps, command
from checkpoint.projector.fold import NOTHING, fold_all
from checkpoint.projector.view import Head
from checkpoint.query.lookup import Status, status_of
from checkpoint.snapshotter.archive import Archive
from checkpoint.snapshotter.restorations import live_jobs

from .restore import job_arguments

PUT_BACK = Script.load("checkpoint", "put_back")
JOBS_AT_ONCE = 100

Logged = Callable[[str], Iterable[Entry]]
"""Says which entries of a job the log has, and the archive has not."""


class Outcome(Enum):
    """What became of a job that was to be put back."""

    WRITTEN = "written"
    DROPPED = "dropped"
    """It is not alive by its entries, and Redis held something of it."""
    NOTHING = "nothing"
    """It is not alive, and Redis held nothing of it."""
    CHANGED = "changed"
    """Its head is another by now: nothing was done."""


def put_back(
    place: Place,
    partition: PartitionKeys,
    job: str,
    entries: Sequence[Entry],
    head: Head | None,
) -> Steps[Outcome]:
    """Write a job as its entries have it, or drop it where it is not alive by them.

    `head` is what Redis has of it, None if that is nothing or cannot be read. LogNotReady where
    Redis has lost the log.
    """
    state = fold_all(NOTHING, entries)
    is_live = status_of(state, (yield from redis_ms())) is Status.LIVE
    was = f"{head.incarnation} {head.version}" if head else ""
    nothing: list[Argument] = [0, 0, 0, 0]
    arguments = [was, *(job_arguments(entries) if is_live else nothing)]
    call = Call(
        PUT_BACK.for_log(partition.namespace), [partition.meta, *partition.job(job)], arguments
    )
    code, *rest = yield from on_fresh_log(place, call)
    if code != b"OK":
        raise LogNotReady
    if rest == [-1]:
        return Outcome.CHANGED
    if is_live:
        return Outcome.WRITTEN
    return Outcome.DROPPED if rest != [0] else Outcome.NOTHING


def headless(place: Place, partition: PartitionKeys, logged: Iterable[str]) -> Steps[list[str]]:
    """Find the jobs of a partition that log or archive have as alive, and that have no head.

    `logged` are the jobs of which the log has entries that the archive has not. Some of them may
    turn out not to be alive.
    """
    jobs = set(logged)
    if place.has_archive:
        now_ms = yield from redis_ms()
        jobs |= set((yield AskArchive(partial(live_jobs, partition.partition, ZERO, now_ms))))
    found: list[str] = []
    for some in chunks(sorted(jobs), JOBS_AT_ONCE):
        heads = [partition.job(job).head for job in some]
        if (yield from command("EXISTS", *heads)) == len(heads):
            continue
        for job, head in zip(some, heads, strict=True):
            if not (yield from command("EXISTS", head)):
                found.append(job)
    return found


def latest_life(place: Place, job: str, logged: Logged) -> Steps[list[Entry]]:
    """Return the entries of a job's latest incarnation that are on record, by version."""
    archived: list[Entry] = []
    if place.has_archive:
        archived = yield AskArchive(partial(_archived_life, job))
    entries = [*archived, *logged(job)]
    if not entries:
        return []
    incarnation = max(entries, key=lambda one: one.id).incarnation
    found = {one.version: one for one in entries if one.incarnation == incarnation}
    return [found[version] for version in sorted(found)]


def _archived_life(job: str, archive: Archive) -> list[Entry]:
    return archive.latest_lives([job]).get(job, [])


def chunks(jobs: Iterable[str], size: int) -> Iterator[list[str]]:
    """Cut jobs into lists of up to `size`."""
    rest = iter(jobs)
    while some := list(islice(rest, size)):
        yield some
