"""Sources: where many jobs are looked up together, without the data that their stages saved.

Log and archive are asked, or the one of them that is there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import ClassVar, TypeVar

from checkpoint.events.entry import Entry
from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.errors import ArchiveUnavailable, LogUnavailable
from checkpoint.events.freshness import Place, on_fresh_log, redis_ms
from checkpoint.events.keys import PartitionKeys, partition_of
from checkpoint.events.steps import AskArchive, Steps, command
from checkpoint.projector.fold import NOTHING, JobState, fold_all
from checkpoint.projector.outline import Outline, parse_outlines, read_outlines
from checkpoint.query.lookup import SCAN_ENTRIES, decoded, look_up, status_of
from checkpoint.query.pipeline import Pipeline, archived_pipelines, declared
from checkpoint.query.replay import replay_archive, replay_job

from .summary import Known

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LogAndArchive:
    """The log, and the archive if `place` has one."""

    place: Place
    positions: Mapping[int, EntryId]
    """The archive's, of every partition."""

    by_log: ClassVar[bool] = True

    def now_ms(self) -> Steps[int]:
        """Return Redis' time: milliseconds since 1970."""
        return (yield from redis_ms())

    def pipelines(self) -> Steps[dict[str, Pipeline]]:
        """Return the pipelines on record."""
        return (yield from declared(self.place.namespace))

    def look_up(self, jobs: Sequence[str]) -> Steps[dict[str, Known]]:
        """Find the states of jobs; LogUnavailable, or LogNotReady where Redis has lost the log."""
        return (yield from self._look_up(jobs, with_past=True))

    def look_up_live(self, jobs: Sequence[str]) -> Steps[dict[str, Known]]:
        """Find the states of jobs; nothing is known of those that Redis has forgotten."""
        return (yield from self._look_up(jobs, with_past=False))

    def _look_up(self, jobs: Sequence[str], *, with_past: bool) -> Steps[dict[str, Known]]:
        found: dict[str, Known] = {}
        for number, ours in groupby(sorted(jobs, key=self._number_of), self._number_of):
            keys, names = PartitionKeys(self.place.namespace, number), list(ours)
            reply = yield from on_fresh_log(self.place, read_outlines(keys, names))
            outlines = dict(zip(names, parse_outlines(reply), strict=True))
            gone = [job for job, one in outlines.items() if one.reading.head is None]
            past = (yield from self._past(keys, gone)) if with_past else {}
            for job, outline in outlines.items():
                found[job] = yield from self._known(job, outline, past)
        return found

    def history(self, job: str) -> Steps[list[Entry]]:
        """Find all entries of a job, of every incarnation."""
        return (yield from replay_job(self.place, job))

    def _number_of(self, job: str) -> int:
        return partition_of(job, self.place.partitions)

    def _known(self, job: str, outline: Outline, past: Mapping[str, JobState]) -> Steps[Known]:
        reading = outline.reading
        if not reading.is_complete:  # the view was lost
            answer = yield from look_up(self.place, job)
            return Known(answer.state, answer.status, outline.owner)
        state = reading.state if reading.head else past.get(job, NOTHING)
        return Known(state, status_of(state, reading.now_ms), outline.owner)

    def _past(self, keys: PartitionKeys, jobs: Sequence[str]) -> Steps[dict[str, JobState]]:
        """Fold jobs that Redis has forgotten: what the archive has of them, and the log beyond."""
        if not jobs:
            return {}
        entries: dict[str, list[Entry]] = {}
        if self.place.has_archive:
            entries = yield from _outlines(jobs)
        after = self.positions.get(keys.partition, ZERO)
        for one in (yield from _scan(keys, frozenset(jobs), after)):
            entries.setdefault(one.event.job, []).append(one)
        return {job: fold_all(NOTHING, found) for job, found in entries.items()}


@dataclass(frozen=True, slots=True)
class ArchiveAlone:
    """The archive while Redis is away. Who holds a job is in Redis."""

    place: Place

    by_log: ClassVar[bool] = False
    positions: ClassVar[Mapping[int, EntryId]] = {}

    def now_ms(self) -> Steps[int]:
        """Return Postgres' time: milliseconds since 1970."""
        now_ms: int = yield AskArchive(lambda archive: archive.now_ms())
        return now_ms

    def pipelines(self) -> Steps[dict[str, Pipeline]]:
        """Return the pipelines that the archive knows of."""
        return (yield from archived_pipelines())

    def look_up(self, jobs: Sequence[str]) -> Steps[dict[str, Known]]:
        """Find the states of jobs."""
        entries = yield from _outlines(jobs)
        now_ms = yield from self.now_ms()
        states = {job: fold_all(NOTHING, entries.get(job, ())) for job in jobs}
        return {job: Known(one, status_of(one, now_ms), one.owner) for job, one in states.items()}

    look_up_live = look_up

    def history(self, job: str) -> Steps[list[Entry]]:
        """Find all entries of a job, of every incarnation."""
        return (yield from replay_archive(job))


Sources = LogAndArchive | ArchiveAlone


def ask_sources(place: Place, question: Callable[[Sources], Steps[T]]) -> Steps[tuple[T, str]]:
    """Ask what is there, and say what of log and archive was not, and why: "" where both were.

    LogNotReady where Redis has lost the log; LogUnavailable where it is away and there is no
    archive.
    """
    positions: dict[int, EntryId] = {}
    note = ""
    if place.has_archive:
        try:
            positions = yield AskArchive(lambda archive: archive.positions())
        except ArchiveUnavailable as error:
            place, note = place._replace(has_archive=False), f"The log alone was asked. {error}"
    try:
        return (yield from question(LogAndArchive(place, positions))), note
    except LogUnavailable as error:
        if not place.has_archive:
            raise
        answer = yield from question(ArchiveAlone(place))
        return answer, f"The archive alone was asked. {error}"


def _outlines(jobs: Sequence[str]) -> Steps[dict[str, list[Entry]]]:
    from checkpoint.snapshotter.recent import job_outlines  # noqa: PLC0415 - psycopg

    found: dict[str, list[Entry]] = yield AskArchive(partial(job_outlines, jobs))
    return found


def _scan(keys: PartitionKeys, jobs: frozenset[str], after: EntryId) -> Steps[list[Entry]]:
    """Find the entries of jobs in a partition's log after an entry id."""
    found: list[Entry] = []
    start = str(after)
    while True:
        rows = yield from command("XRANGE", keys.log, f"({start}", "+", "COUNT", SCAN_ENTRIES)
        found += (one for one in decoded(rows) if one.event.job in jobs)
        if len(rows) < SCAN_ENTRIES:
            return found
        start = rows[-1][0].decode()
