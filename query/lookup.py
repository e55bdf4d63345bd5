"""Finding a job's state: from the view and the log while Redis is there, else from the archive."""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

from checkpoint.events import entry as log_entry
from checkpoint.events.entry import Entry
from checkpoint.events.entry_id import EntryId
from checkpoint.events.errors import (
    ArchiveUnavailable,
    JobDamaged,
    JobNotLive,
    UndecodableEntry,
)
from checkpoint.events.freshness import Place, on_fresh_log
from checkpoint.events.keys import PartitionKeys, partition_of
from checkpoint.events.steps import AskArchive, Steps, command
from checkpoint.projector.fold import NOTHING, JobState, fold_all
from checkpoint.projector.view import NO_STAGE, JobReading, parse_job, read_job

SCAN_ENTRIES = 1000


class Status(StrEnum):
    """Whether a job is there, as far as is known; `status.job_status` says how it stands."""

    LIVE = "live"
    DELETED = "deleted"
    EXPIRED = "expired"
    UNKNOWN = "never existed"


class Source(StrEnum):
    """Where an answer comes from."""

    VIEW = "view"
    LOG = "log"
    ARCHIVE = "archive"
    SPOOL = "spool"


class Answer(NamedTuple):
    """A job's state, and how it is known."""

    state: JobState
    status: Status
    source: Source

    @property
    def live(self) -> JobState:
        """The state, or nothing where the job's checkpoints are no more."""
        return self.state if self.status is Status.LIVE else NOTHING


def status_of(state: JobState, now_ms: int) -> Status:
    """Say what a state means at a time: ms since 1970 by the server's clock."""
    if not state.version:
        return Status.UNKNOWN
    if state.deleted:
        return Status.DELETED
    return Status.EXPIRED if state.expires_ms <= now_ms else Status.LIVE


def no_such_job(job: str, *, has_archive: bool) -> JobNotLive:
    """Make the error for a job that nobody knows; with an archive, no earlier one either."""
    return JobNotLive(f"There is no job {job!r}{', and none is on record' if has_archive else ''}")


def look_up(place: Place, job: str, stage: str = "") -> Steps[Answer]:
    """Find a job's state (with the data of one stage only, if it is named).

    One round trip while the view is there. LogUnavailable where Redis is away; LogNotReady where
    it lost the log.
    """
    call = read_job(place.namespace, place.partitions, job, stage)
    reply = yield from on_fresh_log(place, call)
    try:
        reading = parse_job(reply)
    except JobDamaged as error:
        raise damaged(job) from error
    if not reading.is_complete:
        return (yield from _without_view(place, job, reading))
    state = reading.state
    source = Source.LOG if reading.entries else Source.VIEW
    return Answer(state, status_of(state, reading.now_ms), source)


def damaged(job: str) -> JobDamaged:
    """Make the error for a job of which Redis holds something that cannot be read."""
    return JobDamaged(
        f"What Redis holds of job {job!r} cannot be read: `checkpoint rebuild --job {job}` makes "
        "it anew from log and archive"
    )


def look_up_state(place: Place, job: str, _stage: str = "") -> Steps[Answer]:
    """Find a job's state as `look_up` does, without any stage's data."""
    return look_up(place, job, NO_STAGE)


def ask_archive(job: str) -> Steps[Answer]:
    """Find a job's state in the archive alone; the time is Postgres' own."""
    entries, now_ms = yield AskArchive(lambda archive: archive.job_entries(job))
    state = fold_all(NOTHING, entries)
    return Answer(state, status_of(state, now_ms), Source.ARCHIVE)


def look_up_past(place: Place, job: str, stage: str = "") -> Steps[Answer]:
    """Find a job's state even if Redis has forgotten it, so that all four statuses are told apart.

    As far as is known: without an archive, an expired job looks like one that never existed.
    """
    answer = yield from look_up(place, job, stage)
    if answer.status is Status.UNKNOWN and place.has_archive:
        return (yield from ask_archive(job))
    return answer


def _without_view(place: Place, job: str, reading: JobReading) -> Steps[Answer]:
    """Do without a view that was lost: the archive, and the log's tail after it."""
    head = reading.head
    assert head is not None  # noqa: S101 - a reading without a head is complete
    archived = yield from _archived(place, job, head.incarnation)
    after = archived[-1].id if archived else head.incarnation.before
    partition = PartitionKeys(place.namespace, partition_of(job, place.partitions))
    entries = [*archived, *(yield from scan(partition, job, after))]
    # the job may have gone on since the reading, so there may be more than the head told of
    known = [one.version for one in entries[: head.version]]
    if len(known) < head.version or known != list(range(1, head.version + 1)):
        raise JobDamaged(
            f"The view of job {job!r} is lost, and not all entries up to version {head.version} "
            "are in the log or the archive: `checkpoint verify` names them, and "
            f"`checkpoint rebuild --job {job}` lets the job go on from those that are"
        )
    state = fold_all(NOTHING, entries)
    source = Source.ARCHIVE if archived else Source.LOG
    return Answer(state, status_of(state, reading.now_ms), source)


def _archived(place: Place, job: str, incarnation: EntryId) -> Steps[list[Entry]]:
    """Ask for what the archive has of an incarnation; if it is away, the log may have it all."""
    if not place.has_archive:
        return []
    try:
        entries, _ = yield AskArchive(lambda archive: archive.job_entries(job))
    except ArchiveUnavailable:
        return []
    return [one for one in entries if one.incarnation == incarnation]


def is_whole(entries: Sequence[Entry]) -> bool:
    """Say whether an incarnation's entries begin with the first one and have no gap."""
    return [one.version for one in entries] == list(range(1, len(entries) + 1))


def scan(partition: PartitionKeys, job: str, after: EntryId) -> Steps[list[Entry]]:
    """Find a job's entries in the log after an entry id, by reading all of the partition's."""
    found: list[Entry] = []
    start = str(after)
    while True:
        rows = yield from command("XRANGE", partition.log, f"({start}", "+", "COUNT", SCAN_ENTRIES)
        found += (one for one in decoded(rows) if one.event.job == job)
        if len(rows) < SCAN_ENTRIES:
            return found
        start = rows[-1][0].decode()


def decoded(rows: Iterable[tuple[bytes, Sequence[bytes]]]) -> Iterator[Entry]:
    """Decode what XRANGE returned, passing over what is not an event."""
    for name, fields in rows:
        try:
            yield log_entry.decode(name, fields)
        except UndecodableEntry:
            continue
