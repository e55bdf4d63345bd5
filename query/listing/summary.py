"""Summaries: what there is to say of a job in a line. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple, TypedDict

from checkpoint.events.entry_id import EntryId, utc
from checkpoint.projector.fold import Checkpoint, Failure, JobState
from checkpoint.query.lookup import Status
from checkpoint.query.pipeline import OPEN, Pipeline
from checkpoint.query.status import job_status


class Known(NamedTuple):
    """A job's state, what it means now, and who holds the job: "" for nobody."""

    state: JobState
    status: Status
    owner: str


class JobSummary(TypedDict):
    """A job, for a list of jobs. What there is none of is None."""

    job_id: str
    status: str
    """running, failed (its latest stage event is a failure), complete (all declared stages are
    done), deleted or expired."""
    pipeline: str
    """"" where it has no name."""
    incarnation: str
    version: int
    completed_stages: list[str]
    remaining_stages: list[str]
    """Of the pipeline's declared stages, those that are, or of an expired job were, to be done."""
    stage: str | None
    """The stage that was completed, or failed, last."""
    failures: int
    """In all."""
    error: str | None
    """Of the last failure, if the job failed: its class."""
    message: str | None
    """And what it said."""
    owner: str | None
    """Who holds the job."""
    forked_from: str | None
    """The job that it began as, and at which version."""
    started_at: datetime
    last_event_at: datetime
    """Of a deleted job: when it was deleted."""
    expires_at: datetime | None


def summarize(job: str, known: Known, pipelines: Mapping[str, Pipeline]) -> JobSummary:
    """Summarize what is known of a job, given the pipelines that are on record."""
    state = known.state
    pipeline = pipelines.get(state.pipeline, OPEN)
    left = () if state.deleted else pipeline.stages
    remaining = [stage for stage in left if stage not in state.checkpoints]
    done = max(state.checkpoints.items(), key=_at, default=None)
    failed = max(state.failures.items(), key=_at, default=None)
    latest = max((one for one in (done, failed) if one), key=_at, default=None)
    failure = failed[1] if failed and latest is failed else None
    return JobSummary(
        job_id=job,
        status=job_status(known.status, state, pipeline),
        pipeline=state.pipeline,
        incarnation=str(state.incarnation),
        version=state.version,
        completed_stages=pipeline.in_order(state.checkpoints),
        remaining_stages=remaining,
        stage=latest[0] if latest else None,
        failures=sum(failure.attempts for failure in state.failures.values()),
        error=failure.error if failure else None,
        message=failure.message if failure else None,
        owner=known.owner or None,
        forked_from=state.source or None,
        started_at=state.incarnation.time,
        last_event_at=state.id.time,
        expires_at=None if state.deleted else utc(state.expires_ms),
    )


def _at(stage: tuple[str, Checkpoint | Failure]) -> EntryId:
    return stage[1].id
