"""Jobs: which there are, newest first, by walking back through log and archive.

An entry stands for its job if it is the job's latest, so nothing is kept for this listing: what
the log says is all there is to know.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from checkpoint.events.entry_id import EntryId
from checkpoint.events.errors import InvalidName
from checkpoint.events.freshness import Place
from checkpoint.events.names import check_name
from checkpoint.events.steps import Steps
from checkpoint.projector.fold import JobState
from checkpoint.query.status import LIVE_STATUSES, STATUSES

from .sources import Sources, ask_sources
from .summary import JobSummary, summarize
from .walk import TOP, Sighting, Walk

__all__ = [
    "ALL",
    "LIVE_STATUSES",
    "STATUSES",
    "JobFilter",
    "JobPage",
    "JobSummary",
    "list_jobs",
]

LOOKED_UP_AT_ONCE = 100
LIMIT = 50


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs are wanted; by default all."""

    statuses: frozenset[str] = frozenset()
    """One of these, or any if there are none."""
    pipeline: str | None = None
    stage: str | None = None
    """The stage that was completed, or failed, last."""
    idle: float | None = None
    """Seconds since the latest event, at least."""
    within: float | None = None
    """Seconds since the latest event, at most."""
    name: str | None = None
    """A text that the job's name has in it, in capitals or not (of ASCII)."""

    @property
    def is_of_live_jobs(self) -> bool:
        """Whether no job that is over is wanted."""
        return bool(self.statuses) and self.statuses.issubset(LIVE_STATUSES)

    def may_want(self, job: str) -> bool:
        """Say whether a job may be wanted, going by its name."""
        return self.name is None or _lowered(self.name) in _lowered(job)

    def wants(self, job: JobSummary) -> bool:
        """Say whether a job is wanted, whatever its name and age."""
        return (
            (not self.statuses or job["status"] in self.statuses)
            and self.pipeline in (None, job["pipeline"])
            and self.stage in (None, job["stage"])
        )

    def start(self, now_ms: int) -> Sighting:
        """Return where a walk may begin: what is less idle comes before."""
        return TOP if self.idle is None else Sighting(EntryId(_ago(now_ms, self.idle) + 1, 0), 0)

    def end_ms(self, now_ms: int) -> int:
        """Return the time before which no job is wanted."""
        return 0 if self.within is None else _ago(now_ms, self.within)


class JobPage(NamedTuple):
    """Some jobs, newest first."""

    jobs: list[JobSummary]
    next: str | None
    """Pass this as `before` for the page that follows; None where there is none."""
    note: str = ""
    """What the page lacks, because a server is away."""


Tell = Callable[[int, datetime], None]

ALL = JobFilter()


def list_jobs(
    place: Place,
    wanted: JobFilter = ALL,
    *,
    before: str | None = None,
    limit: int = LIMIT,
    tell: Tell | None = None,
) -> Steps[JobPage]:
    """List up to `limit` jobs, those with the latest events first, each once.

    `tell` hears how many were looked at, and back to which time: few may be wanted of many.
    While a server is away the other one alone is asked, and the page says so. InvalidName for a
    `before` that no page said, or a text that no job's name has; LogUnavailable, LogNotReady.
    """
    if wanted.name is not None:
        check_name("job", wanted.name)
    after = Sighting.parse(before) if before else TOP
    if not 0 <= after.partition < place.partitions:
        raise InvalidName(
            f"{before!r} names no place to go on from: there are the partitions 0 to "
            f"{place.partitions - 1}"
        )
    page, note = yield from ask_sources(
        place, lambda sources: _page(sources, wanted, after, limit, tell)
    )
    return page._replace(note=note)


def _page(
    sources: Sources, wanted: JobFilter, after: Sighting, limit: int, tell: Tell | None
) -> Steps[JobPage]:
    now_ms = yield from sources.now_ms()
    start, end_ms = min(after, wanted.start(now_ms)), wanted.end_ms(now_ms)
    pipelines = yield from sources.pipelines()
    look_up = sources.look_up_live if wanted.is_of_live_jobs else sources.look_up
    walk, seen = Walk(sources, start, wanted.name or ""), set[str]()
    found: list[tuple[Sighting, JobSummary]] = []
    # one more than a page has, to know if there is a page after it
    while len(found) <= limit and (sightings := (yield from walk.further())):
        possible = (one for one in sightings if wanted.may_want(one.job))
        for some in _chunks(_unseen(possible, seen, end_ms)):
            known = yield from look_up([one.job for one in some])
            summaries = (
                (one, summarize(one.job, known[one.job], pipelines))
                for one in some
                if _stands_for(one, known[one.job].state, from_top=start == TOP)
            )
            found += (pair for pair in summaries if wanted.wants(pair[1]))
            if len(found) > limit:
                break
        if sightings[-1].id.ms < end_ms:
            break
        if tell:
            tell(len(seen), sightings[-1].id.time)
    jobs = [job for _, job in found[:limit]]
    return JobPage(jobs, str(found[limit - 1][0]) if len(found) > limit else None)


def _unseen(sightings: Iterable[Sighting], seen: set[str], end_ms: int) -> Iterator[Sighting]:
    """Yield the first sighting of each job that is not seen yet, down to a time."""
    for one in sightings:
        if one.job not in seen and one.id.ms >= end_ms:
            seen.add(one.job)
            yield one


def _chunks(sightings: Iterator[Sighting]) -> Iterator[list[Sighting]]:
    while some := list(islice(sightings, LOOKED_UP_AT_ONCE)):
        yield some


def _stands_for(one: Sighting, state: JobState, *, from_top: bool) -> bool:
    """Say if an entry is its job's latest: of a walk from the top the first one is, or was."""
    return bool(state.version) and (from_top or state.id <= one.id)


def _lowered(name: str) -> bytes:
    return name.encode().lower()


def _ago(now_ms: int, seconds: float) -> int:
    return max(0, now_ms - round(seconds * 1000))
