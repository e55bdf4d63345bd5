"""Checking views: each has to be what the job's events in archive and log fold to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import NamedTuple

import msgspec

from checkpoint.events.entry import Entry
from checkpoint.events.entry_id import ZERO, EntryId, utc
from checkpoint.events.errors import JobDamaged, UndecodableEntry
from checkpoint.events.freshness import Place, on_fresh_log
from checkpoint.events.keys import PartitionKeys
from checkpoint.events.steps import AskArchive, Steps, command
from checkpoint.projector.fold import NOTHING, JobState, fold_all
from checkpoint.projector.view import Head, find_position, parse_job, read_job
from checkpoint.query.lookup import SCAN_ENTRIES, Status, decoded, is_whole, status_of
from checkpoint.snapshotter.archive import Archive
from checkpoint.snapshotter.discrepancy import Discrepancy

from .comparison import hashed, hashed_state, states

LIVES_AT_ONCE = 100
SHOWN_VERSIONS = 10
LOST = "the view lacks what the projectors applied, so answers come from log and archive"


class _Seen(NamedTuple):
    """A job as Redis knew it at one instant, with hashes in place of its data."""

    now_ms: int
    head: Head | None
    view: JobState
    unapplied: EntryId | None
    """The first entry that the view lacks."""
    is_complete: bool
    trouble: str = ""
    """Why it cannot be read."""


@dataclass(frozen=True, slots=True)
class ViewCheck:
    """The views of one partition. What seems to differ is looked at a second time."""

    place: Place
    keys: PartitionKeys

    def check(self, jobs: Sequence[str]) -> Steps[list[Discrepancy]]:
        """Compare the views of jobs with their events, as far as the views have them."""
        found = yield from self._differing(jobs)
        again = yield from self._differing(list(found)) if found else _nothing()
        return [one for some in again.values() for one in some]

    def _differing(self, jobs: Sequence[str]) -> Steps[dict[str, list[Discrepancy]]]:
        # In this order: an event that a view has was in the log before, and it is in the archive
        # before it is trimmed.
        applied = yield from find_position(self.keys)
        seen = {}
        for job in jobs:
            seen[job] = yield from self._see(job)
        histories = yield from self._histories(seen)
        found = {}
        for job, one in seen.items():
            named = list(self._named(one, histories.get(job), applied))
            if named:
                found[job] = [
                    Discrepancy("view", what, self.keys.partition, job=job, version=version)
                    for version, what in named
                ]
        return found

    def _see(self, job: str) -> Steps[_Seen]:
        call = read_job(self.place.namespace, self.place.partitions, job)
        reply = yield from on_fresh_log(self.place, call)
        try:
            reading = parse_job(reply)
        except JobDamaged:
            return _Seen(0, None, NOTHING, None, is_complete=True, trouble="the head is unreadable")
        except (msgspec.MsgspecError, UndecodableEntry, LookupError, ValueError) as error:
            return _Seen(
                0, None, NOTHING, None, is_complete=True, trouble=f"the view is unreadable: {error}"
            )
        unapplied = reading.entries[0].id if reading.entries else None
        view = hashed_state(reading.view)
        return _Seen(reading.now_ms, reading.head, view, unapplied, reading.is_complete)

    def _histories(self, seen: Mapping[str, _Seen]) -> Steps[dict[str, list[Entry]]]:
        """Find the entries on record of the jobs' incarnations; none of a job with a row amiss."""
        position = ZERO
        if self.place.has_archive:
            number = self.keys.partition
            position = yield AskArchive(lambda archive: archive.position(number))
        found: dict[str, dict[EntryId, Entry]] = {job: {} for job in seen}
        for entry in (yield from self._tail(frozenset(seen), position)):
            found[entry.event.job][entry.id] = entry
        amiss: set[str] = set()
        if self.place.has_archive:
            names = list(seen)
            for start in range(0, len(names), LIVES_AT_ONCE):
                some = {job: seen[job].head for job in names[start : start + LIVES_AT_ONCE]}
                for job, entries in (yield AskArchive(partial(_lives, some))).items():
                    found[job] |= {one.id: one for one in entries or ()}
                    amiss |= {job} if entries is None else set()
        return {
            job: [one for _, one in sorted(entries.items())]
            for job, entries in found.items()
            if job not in amiss
        }

    def _tail(self, jobs: frozenset[str], after: EntryId) -> Steps[list[Entry]]:
        found: list[Entry] = []
        start = str(after)
        while True:
            rows = yield from command(
                "XRANGE", self.keys.log, f"({start}", "+", "COUNT", SCAN_ENTRIES
            )
            found += (hashed(one) for one in decoded(rows) if one.event.job in jobs)
            if len(rows) < SCAN_ENTRIES:
                return found
            start = rows[-1][0].decode()

    def _named(
        self, seen: _Seen, history: list[Entry] | None, applied: EntryId
    ) -> Iterator[tuple[int, str]]:
        """Say what is amiss with a job: of which version, and what."""
        _, head, view, unapplied, is_complete, trouble = seen
        if trouble:
            yield 0, trouble
        elif history is None:
            return
        elif head is None:
            yield from _forgotten(seen, history)
        else:
            life = [one for one in history if one.incarnation == head.incarnation]
            if not is_complete or (unapplied and unapplied <= applied):
                yield head.version, f"{LOST}: it has version {view.version}"
            elif is_whole(life):
                folded = fold_all(NOTHING, (one for one in life if one.id <= view.id))
                yield from ((view.version, what) for what in states(view, folded))
            yield from _missing(head, life, has_archive=self.place.has_archive)


def _forgotten(seen: _Seen, history: Sequence[Entry]) -> Iterator[tuple[int, str]]:
    state = fold_all(NOTHING, history)
    if status_of(state, seen.now_ms) is Status.LIVE:
        until = utc(state.expires_ms)
        yield state.version, f"Redis has forgotten the job, which lives until {until:%F %T} UTC"


def _missing(head: Head, life: Sequence[Entry], *, has_archive: bool) -> Iterator[tuple[int, str]]:
    """Name the versions that are on record nowhere; an archive's own gaps are named as such."""
    known = {one.version for one in life}
    last = max(known, default=0) if has_archive else 0
    missing = (version for version in range(last + 1, head.version + 1) if version not in known)
    if gone := list(islice(missing, SHOWN_VERSIONS + 1)):
        names = ", ".join(map(str, gone[:SHOWN_VERSIONS])) + (
            ", …" if gone[SHOWN_VERSIONS:] else ""
        )
        yield head.version, f"versions that were given are in neither log nor archive: {names}"


def _lives(heads: Mapping[str, Head | None], archive: Archive) -> dict[str, list[Entry] | None]:
    """Read what the archive has of incarnations; None of a job with an event that is none."""
    try:
        born = {job: head.incarnation for job, head in heads.items() if head}
        found: dict[str, list[Entry] | None] = {
            job: [hashed(one) for one in entries] for job, entries in archive.lives(born).items()
        }
        for job in heads.keys() - born.keys():
            found[job] = [hashed(one) for one in archive.job_entries(job)[0]]
    except UndecodableEntry:
        if len(heads) == 1:
            return dict.fromkeys(heads)
        parts = [_lives({job: head}, archive) for job, head in heads.items()]
        return {job: entries for part in parts for job, entries in part.items()}
    return found


def _nothing() -> Steps[dict[str, list[Discrepancy]]]:
    yield from ()
    return {}
