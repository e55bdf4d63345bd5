"""A job's sheet: its state now, and every event of it, however much of the servers is there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from checkpoint.events.entry import Entry
from checkpoint.events.entry_id import EntryId
from checkpoint.events.event import EventsLost
from checkpoint.events.names import check_name
from checkpoint.events.settings import Settings
from checkpoint.events.steps import Steps
from checkpoint.projector.fold import NOTHING, JobState, fold_all
from checkpoint.query.listing.place import find_place
from checkpoint.query.listing.sources import ArchiveAlone, Sources, ask_sources
from checkpoint.query.listing.summary import Known
from checkpoint.query.lookup import Status, look_up
from checkpoint.query.pipeline import OPEN, Pipeline


@dataclass(frozen=True)
class Life:
    """One incarnation of a job: the entries of it on record, and its state after the last."""

    incarnation: EntryId
    entries: Sequence[Entry]
    state: JobState

    @property
    def missing(self) -> list[int]:
        """The versions that are on no record: Redis lost them, or the archive is away."""
        known = {entry.version for entry in self.entries}
        return [number for number in range(1, self.state.version + 1) if number not in known]

    @property
    def lost(self) -> list[EventsLost]:
        """What is known to be lost of this life, whatever its versions' numbers name now."""
        events = (entry.event for entry in self.entries)
        return [one for one in events if isinstance(one, EventsLost)]

    def at(self, version: int) -> JobState:
        """Return the state as it was at a version."""
        if version >= self.state.version:
            return self.state
        return fold_all(NOTHING, (entry for entry in self.entries if entry.version <= version))


@dataclass(frozen=True)
class JobSheet:
    """A job as far as it is known, its lives in their order."""

    job: str
    known: Known
    lives: Sequence[Life]
    pipeline: Pipeline
    note: str = ""
    """What of log and archive was not there to be asked."""

    def life(self, incarnation: str = "") -> Life | None:
        """Return a life by its name, the last one if none is named; None where there is none."""
        if not incarnation:
            return self.lives[-1] if self.lives else None
        return next((one for one in self.lives if str(one.incarnation) == incarnation), None)

    def known_of(self, life: Life) -> Known:
        """Return what is known of a life: those before the last one are over."""
        if life is self.lives[-1]:
            return self.known._replace(state=life.state)
        return Known(life.state, Status.DELETED if life.state.deleted else Status.EXPIRED, "")


def read_sheet(settings: Settings, job: str) -> Steps[JobSheet]:
    """Find all that is on record of a job."""
    check_name("job", job)
    has_archive = settings.postgres_url is not None
    place = yield from find_place(settings.namespace, has_archive=has_archive)
    (known, entries, pipelines), note = yield from ask_sources(place, partial(_ask, job))
    pipeline = pipelines.get(known.state.pipeline, OPEN)
    return JobSheet(job, known, _lives(known.state, entries), pipeline, note)


def _ask(job: str, sources: Sources) -> Steps[tuple[Known, list[Entry], Mapping[str, Pipeline]]]:
    pipelines = yield from sources.pipelines()
    known = (yield from sources.look_up([job]))[job]
    entries = yield from sources.history(job)
    if isinstance(sources, ArchiveAlone) or len(_of(known.state, entries)) >= known.state.version:
        return known, entries, pipelines
    # the history has gaps; the view has the stages' data all the same
    state = (yield from look_up(sources.place, job)).state
    return known._replace(state=state), entries, pipelines


def _of(state: JobState, entries: Sequence[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.incarnation == state.incarnation]


def _lives(known: JobState, entries: Sequence[Entry]) -> list[Life]:
    grouped: dict[EntryId, list[Entry]] = {}
    for entry in entries:
        grouped.setdefault(entry.incarnation, []).append(entry)
    if known.version:
        grouped.setdefault(known.incarnation, [])
    return [
        Life(incarnation, ours, _latest(known, incarnation, ours))
        for incarnation, ours in sorted(grouped.items())
    ]


def _latest(known: JobState, incarnation: EntryId, entries: Sequence[Entry]) -> JobState:
    """Fold a life; where its history has gaps, what else is known of it says more."""
    folded = fold_all(NOTHING, entries)
    is_whole = len(entries) >= known.version
    return folded if is_whole or incarnation != known.incarnation else known
