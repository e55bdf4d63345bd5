"""The past: what a job was at a time, or after one of its events."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypedDict

from checkpoint.events.entry import Entry
from checkpoint.events.entry_id import EntryId, utc
from checkpoint.events.errors import NotOnRecord
from checkpoint.events.freshness import Place
from checkpoint.events.names import check_name
from checkpoint.events.steps import Steps
from checkpoint.projector.fold import NOTHING, JobState, fold_all
from checkpoint.query.listing.sources import Sources, ask_sources
from checkpoint.query.lookup import Status, no_such_job, status_of
from checkpoint.query.progress import FailureInfo
from checkpoint.query.resume import data_of


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
    is_early: bool = False
    """Whether the job began only later."""

    @property
    def live(self) -> JobState:
        """The state, or nothing where the job's checkpoints were no more."""
        return self.state if self.status is Status.LIVE else NOTHING


class StagePast(TypedDict):
    """A stage that was completed."""

    stage: str
    completed_at: datetime
    version: int
    data: Any


class JobPast(TypedDict):
    """A job as it was, for people and programs."""

    job_id: str
    at: datetime
    status: str
    """live, deleted, expired, or did not exist yet."""
    incarnation: str | None
    version: int
    pipeline: str
    owner: str
    """Who held the job by its latest claim, or "" for nobody; a lease may have run out since."""
    source: str
    """Of a fork: the job that it began as, and at which version."""
    expires_at: datetime | None
    """When it was to expire if nothing more happened."""
    checkpoints: list[StagePast]
    failures: list[FailureInfo]


def read_past(place: Place, job: str, moment: Moment = NOW) -> Steps[tuple[Past, str]]:
    """Find what a job was at a moment, and say what could not be asked for it: "" for nothing.

    InvalidName; JobNotLive where there is no such job; NotOnRecord for a version or an incarnation
    that it never had; LogUnavailable where Redis is away and there is no archive.
    """
    check_name("job", job)
    return (yield from ask_sources(place, lambda sources: _read(sources, job, moment)))


def state_at(entries: Sequence[Entry], moment: Moment, now_ms: int) -> Past:
    """Derive what a job was at a moment of all its entries; NotOnRecord."""
    known = _lived(entries, moment)
    state = fold_all(NOTHING, known)
    if moment.version is not None:
        life = [one for one in known if one.incarnation == state.incarnation]
        if not any(one.version == moment.version for one in life):
            raise NotOnRecord(
                f"Version {moment.version} is not on record: "
                + (f"there are 1 to {state.version}" if life else "the job had not begun")
            )
        state = fold_all(NOTHING, [one for one in life if one.version <= moment.version])
    at_ms = _time(state, moment, now_ms)
    return Past(state, status_of(state, at_ms), at_ms, is_early=not known)


def job_past(job: str, past: Past) -> JobPast:
    """Describe a job as it was, with the data of its stages."""
    state = past.live
    return JobPast(
        job_id=job,
        at=utc(past.at_ms),
        status="did not exist yet" if past.is_early else past.status.value,
        incarnation=str(past.state.incarnation) if past.state.version else None,
        version=past.state.version,
        pipeline=past.state.pipeline,
        owner=state.owner,
        source=past.state.source,
        expires_at=utc(state.expires_ms) if state.version else None,
        checkpoints=[
            StagePast(
                stage=stage, completed_at=done.id.time, version=done.version, data=data_of(done)
            )
            for stage, done in state.checkpoints.items()
        ],
        failures=[
            FailureInfo(
                stage=stage,
                failed_at=failed.id.time,
                attempts=failed.attempts,
                error=failed.error,
                message=failed.message,
            )
            for stage, failed in state.failures.items()
        ],
    )


def _read(sources: Sources, job: str, moment: Moment) -> Steps[Past]:
    entries = yield from sources.history(job)
    if not entries:
        raise no_such_job(job, has_archive=sources.place.has_archive)
    return state_at(entries, moment, (yield from sources.now_ms()))


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
