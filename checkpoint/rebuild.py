"""Rebuilding what Redis keeps of jobs from the archive and the log, while the system runs.

The jobs are those that have a head in Redis, and those that should have one. Of each, all entries
of its incarnation are folded and the view is replaced in one script call, which refuses what the
log has outrun: those jobs are read again. A lookup finds the view from before or the rebuilt one,
and each with the entries after it. A projector that has read the view from before reads again.

Every step can be repeated, so a rebuild that was interrupted is simply run again.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from checkpoint.events.crash_point import crash_point
from checkpoint.events.creation import ARCHIVED
from checkpoint.events.entry import Entry
from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.freshness import Place, on_fresh_log
from checkpoint.events.keys import PartitionKeys, partition_of, topic_meta
from checkpoint.events.steps import AskArchive, Pause, Steps, command
from checkpoint.projector.fold import NOTHING, fold_all
from checkpoint.projector.rebuilding import (
    Known,
    parse_rebuilt,
    parse_views,
    read_views,
    rebuild_views,
)
from checkpoint.projector.view import parse_job, read_job
from checkpoint.query.lookup import SCAN_ENTRIES, decoded, is_whole

from .heads import Outcome, headless, latest_life, put_back
from .mending import drop_unusable, scan_heads

JOBS_AT_ONCE = 200
TRIES = 50
PAUSE = 0.005
"""A job that goes on just now, or whose entries move from log to archive, is read again so often,
with so many seconds between."""

Tell = Callable[[int], None]


@dataclass(slots=True)
class Rebuilt:
    """What a rebuild did."""

    views: int = 0
    """How many views were written."""
    differed: list[str] = field(default_factory=list)
    """The jobs whose views were lost, or not what the log says."""
    left: list[str] = field(default_factory=list)
    """The jobs whose views were left as they are: not all of their entries are on record."""
    put_back: list[str] = field(default_factory=list)
    """The jobs whose heads were lost or could not be read, and that log and archive have."""
    dropped: list[str] = field(default_factory=list)
    """The keys that held something else; those of jobs are of jobs that nobody has on record."""


class Unarchived:
    """The entries of a partition that the archive does not have yet, by job."""

    def __init__(self, partition: PartitionKeys) -> None:
        """Take the partition; nothing is read yet."""
        self._log = partition.log
        self._end = ZERO
        self._order: deque[tuple[EntryId, str]] = deque()
        self._jobs: defaultdict[str, deque[Entry]] = defaultdict(deque)

    def forget(self, archived: EntryId) -> None:
        """Drop what the archive has by now."""
        while self._order and self._order[0][0] <= archived:
            _, job = self._order.popleft()
            self._jobs[job].popleft()
            if not self._jobs[job]:
                del self._jobs[job]
        self._end = max(self._end, archived)

    def read_on(self) -> Steps[None]:
        """Read what the log has by now."""
        rows: Sequence[tuple[bytes, list[bytes]]] = [(b"", [])] * SCAN_ENTRIES
        while len(rows) == SCAN_ENTRIES:
            rows = yield from command(
                "XRANGE", self._log, f"({self._end}", "+", "COUNT", SCAN_ENTRIES
            )
            for entry in decoded(rows):
                self._order.append((entry.id, entry.event.job))
                self._jobs[entry.event.job].append(entry)
            if rows:
                self._end = EntryId.parse(rows[-1][0])

    @property
    def jobs(self) -> list[str]:
        """The jobs that have entries."""
        return list(self._jobs)

    def of(self, job: str) -> Iterable[Entry]:
        """Return the entries of a job."""
        return self._jobs.get(job, ())


def rebuild(place: Place, number: int, tell: Tell) -> Steps[Rebuilt]:
    """Replace the views of all jobs of a partition; `tell` hears how many are written.

    Jobs whose heads are gone or cannot be read are put back. LogNotReady where Redis has lost the
    log; LogUnavailable or ArchiveUnavailable where a server is away.
    """
    partition = PartitionKeys(place.namespace, number)
    rebuilt, unarchived = Rebuilt(), Unarchived(partition)
    rebuilt.dropped += yield from drop_unusable(place, number)
    unreadable: list[str] = []
    cursor = b""
    names: list[str] = []
    while cursor != b"0":
        cursor, some = yield from scan_heads(partition, cursor)
        names += (job for job in some if partition_of(job, place.partitions) == number)
        while len(names) >= JOBS_AT_ONCE or (names and cursor == b"0"):
            some = names[:JOBS_AT_ONCE]
            unreadable += yield from _rebuild_jobs(place, partition, unarchived, some, rebuilt)
            del names[:JOBS_AT_ONCE]
            tell(rebuilt.views)
    yield from unarchived.read_on()
    forgotten = yield from headless(place, partition, unarchived.jobs)
    for job in dict.fromkeys([*unreadable, *forgotten]):
        yield from _put_back(place, partition, unarchived, job, rebuilt)
    return rebuilt


def rebuild_job(place: Place, job: str) -> Steps[Rebuilt]:
    """Replace what Redis keeps of one job; nothing is written of a job that is not alive.

    Where it cannot be read, and not all of its entries are on record, it goes on from those that
    are.
    """
    rebuilt = Rebuilt()
    partition = PartitionKeys(place.namespace, partition_of(job, place.partitions))
    unarchived = Unarchived(partition)
    unreadable = yield from _rebuild_jobs(place, partition, unarchived, [job], rebuilt)
    if unreadable or (rebuilt.left and not (yield from _has_whole_view(place, job))):
        rebuilt.left.clear()
        yield from _put_back(place, partition, unarchived, job, rebuilt, with_gaps=True)
    return rebuilt


def _has_whole_view(place: Place, job: str) -> Steps[bool]:
    """Say whether the view of a job has what is on record no more, or not yet."""
    call = read_job(place.namespace, place.partitions, job)
    reading = parse_job((yield from on_fresh_log(place, call)))
    return reading.is_complete and reading.view.version > 0


def _put_back(
    place: Place,
    partition: PartitionKeys,
    unarchived: Unarchived,
    job: str,
    rebuilt: Rebuilt,
    *,
    with_gaps: bool = False,
) -> Steps[None]:
    """Write a job anew that cannot be read, or whose head claims more than is on record."""
    for _ in range(TRIES):
        reply = yield from on_fresh_log(place, read_views(partition, [job]))
        _, known = parse_views(reply, [job])
        head = known[job].head if job in known else None
        if head and not with_gaps:
            return  # it has begun anew
        yield from _catch_up(place, partition, unarchived)
        life = yield from latest_life(place, job, unarchived.of)
        if not (is_whole(life) or (with_gaps and (yield from _is_all(place)))):
            break
        outcome = yield from put_back(place, partition, job, life, head)
        if outcome is Outcome.WRITTEN:
            rebuilt.put_back.append(job)
        elif outcome is Outcome.DROPPED:
            rebuilt.dropped.append(partition.job(job).head)
        if outcome is not Outcome.CHANGED:
            return
        yield Pause(PAUSE)
    rebuilt.left.append(job)


def _is_all(place: Place) -> Steps[bool]:
    """Say whether this process can see all that is on record: the archive too, if there is one."""
    if place.has_archive:
        return True
    state: bytes | None = yield from command("HGET", topic_meta(place.namespace), "state")
    return state != ARCHIVED


def _rebuild_jobs(
    place: Place,
    partition: PartitionKeys,
    unarchived: Unarchived,
    jobs: Sequence[str],
    rebuilt: Rebuilt,
) -> Steps[list[str]]:
    """Replace views; return the jobs that have no head, or keys that cannot be read."""
    pending = list(jobs)
    unreadable: list[str] = []
    for _ in range(TRIES):
        reply = yield from on_fresh_log(place, read_views(partition, pending))
        position, known = parse_views(reply, pending)
        unreadable += (job for job in pending if job not in known)
        lives = yield from _lives(place, partition, unarchived, known)
        states = {job: fold_all(NOTHING, life) for job, life in lives.items() if life}
        crash_point("rebuild: before the views")
        reply = yield from on_fresh_log(place, rebuild_views(partition, states))
        crash_point("rebuild: after the views")
        written = parse_rebuilt(reply, list(states))
        rebuilt.views += len(written)
        rebuilt.differed += (
            job for job in written if not known[job].is_right(position, lives[job])
        )
        pending = [job for job in known if job not in written]
        if not pending:
            return unreadable
        yield Pause(PAUSE)
    rebuilt.left += pending
    return unreadable


def _catch_up(place: Place, partition: PartitionKeys, unarchived: Unarchived) -> Steps[None]:
    """Drop from `unarchived` what the archive has by now, and read what the log has."""
    if place.has_archive:
        unarchived.forget((yield AskArchive(lambda archive: archive.position(partition.partition))))
    yield from unarchived.read_on()


def _lives(
    place: Place, partition: PartitionKeys, unarchived: Unarchived, known: dict[str, Known]
) -> Steps[dict[str, list[Entry]]]:
    """Find the entries of each job's incarnation, from the first on without a gap."""
    archived: dict[str, list[Entry]] = {}
    if place.has_archive:
        unarchived.forget((yield AskArchive(lambda archive: archive.position(partition.partition))))
        heads = {job: one.head.incarnation for job, one in known.items()}
        archived = yield AskArchive(lambda archive: archive.lives(heads))
    yield from unarchived.read_on()
    return {
        job: _without_gap([*archived.get(job, ()), *unarchived.of(job)], one.head.incarnation)
        for job, one in known.items()
    }


def _without_gap(entries: Iterable[Entry], incarnation: EntryId) -> list[Entry]:
    """Return an incarnation's entries by version, each once, as far as there are all of them."""
    found = {one.version: one for one in entries if one.incarnation == incarnation}
    return [found[version] for version in takewhile(found.__contains__, range(1, len(found) + 1))]
