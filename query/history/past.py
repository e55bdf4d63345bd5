"""The past: what a job was at a time, or after one of its events."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from checkpoint.events.entry import Entry
from checkpoint.events.entry_id import EntryId, utc
from checkpoint.events.errors import NotOnRecord
from checkpoint.events.freshness import Place
from checkpoint.events.names import check_name
from checkpoint.events.steps import Steps
from checkpoint.projector.fold import NOTHING, JobState, fold_all
from checkpoint.query.listing.sources import Sources, ask_sources
from checkpoint.query.listing.summary import Known, summarize
from checkpoint.query.lookup import Status, no_such_job, status_of
from checkpoint.query.pipeline import OPEN, Pipeline
from checkpoint.query.resume import data_of

from .record import stage_records


class Moment(NamedTuple):
    """When: by default now, in the job's latest incarnation."""

    at_ms: int | None = None
    """A time: ms since 1970 by Redis' clock."""
    version: int | None = None
    """After this event of the incarnation."""
    incarnation: EntryId | None = None
    """In this life of the job; by default in the latest that had begun."""


NOW = Moment()


class Past(NamedTuple):
    """A job as it was."""

    state: JobState
    status: Status
    at_ms: int
    """The time that the status is of."""
    entries: Sequence[Entry] = ()
    """Those of its incarnation by then; none where the job began only later."""


BEFORE_ITS_TIME = {
    "status": "did not exist yet",
    "incarnation": None,
    "started_at": None,
    "last_event_at": None,
    "expires_at": None,
}
"""What there is to say of a job that began only later."""


def read_past(place: Place, job: str, moment: Moment = NOW) -> Steps[tuple[dict[str, Any], str]]:
    """Describe a job as it was, and say what could not be asked for it: "" for nothing.

    InvalidName; JobNotLive where there is no such job; NotOnRecord for a version or an incarnation
    that it never had; LogUnavailable where Redis is away and there is no archive.
    """
    check_name("job", job)
    return (yield from ask_sources(place, lambda sources: _read(sources, job, moment)))


def state_at(entries: Sequence[Entry], moment: Moment, now_ms: int) -> Past:
    """Derive what a job was at a moment of all its entries; NotOnRecord."""
    known = _lived(entries, moment)
    last = fold_all(NOTHING, known)
    life = [one for one in known if one.incarnation == last.incarnation]
    if moment.version is not None:
        if not any(one.version == moment.version for one in life):
            raise NotOnRecord(
                f"Version {moment.version} is not on record: "
                + (f"there are 1 to {last.version}" if life else "the job had not begun")
            )
        life = [one for one in life if one.version <= moment.version]
    state = fold_all(NOTHING, life)
    at_ms = _time(state, moment, now_ms)
    return Past(state, status_of(state, at_ms), at_ms, life)


def job_past(job: str, past: Past, pipelines: Mapping[str, Pipeline]) -> dict[str, Any]:
    """Describe a job as it was: its summary, the time, and its stages with their data.

    The owner is who held it by its latest claim; a lease may have run out since. What was deleted
    or had expired has no data.
    """
    state = past.state
    is_live = past.status is Status.LIVE
    known = Known(state, past.status, state.owner if is_live else "")
    stages = stage_records(known, past.entries, pipelines.get(state.pipeline, OPEN))
    live = state.checkpoints if is_live else {}
    return {
        **summarize(job, known, pipelines),
        **({} if past.entries else BEFORE_ITS_TIME),
        "time": utc(past.at_ms),
        "stages": [
            {**one, "data": data_of(live[one["stage"]]) if one["stage"] in live else None}
            for one in stages
        ],
    }


def _read(sources: Sources, job: str, moment: Moment) -> Steps[dict[str, Any]]:
    entries = yield from sources.history(job)
    if not entries:
        raise no_such_job(job, has_archive=sources.place.has_archive)
    pipelines = yield from sources.pipelines()
    return job_past(job, state_at(entries, moment, (yield from sources.now_ms())), pipelines)


def _lived(entries: Sequence[Entry], moment: Moment) -> list[Entry]:
    """Return what had happened: by the time, in the incarnation that was named."""
    born = {one.incarnation for one in entries}
    if moment.incarnation is not None and moment.incarnation not in born:
        raise NotOnRecord(
            f"Incarnation {moment.incarnation} is not on record; there are: "
            f"{', '.join(map(str, sorted(born))) or 'none'}"
        )
    return [
        one
        for one in entries
        if moment.incarnation in (None, one.incarnation)
        and (moment.at_ms is None or one.id.ms <= moment.at_ms)
    ]


def _time(state: JobState, moment: Moment, now_ms: int) -> int:
    """Return the time that is asked for: that of the version's own entry, if one is named."""
    if moment.at_ms is not None:
        return moment.at_ms
    return now_ms if moment.version is None else state.id.ms
