"""Summaries: what there is to say of a job in a line. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple, TypedDict

from checkpoint.events.entry_id import EntryId, utc
from checkpoint.projector.fold import Checkpoint, Failure, JobState
from checkpoint.query.lookup import Status
from checkpoint.query.pipeline import OPEN, Pipeline

STATUSES = ("running", "failed", "complete", "deleted", "expired")


class Known(NamedTuple):
    """A job's state, what it means now, and who holds the job: "" for nobody."""

    state: JobState
    status: Status
    owner: str


class JobSummary(TypedDict):
    """A job, for a list of jobs."""

    job_id: str
    status: str
    """running, failed (its latest stage event is a failure), complete (all declared stages are
    done), deleted or expired."""
    pipeline: str
    completed_stages: list[str]
    remaining_stages: list[str]
    """Of the pipeline's declared stages."""
    stage: str | None
    """The stage that was completed, or failed, last."""
    started_at: datetime
    last_event_at: datetime
    expires_at: datetime | None
    version: int
    attempts: int
    """Failures in all."""
    error: str
    """Of the last failure, if the job failed: its class and message."""
    owner: str
    """Who holds the job, or "" for nobody."""
    source: str
    """Of a fork: the job that it began as, and at which version."""


def summarize(job: str, known: Known, pipelines: Mapping[str, Pipeline]) -> JobSummary:
    """Summarize what is known of a job, given the pipelines that are on record."""
    state = known.state
    pipeline = pipelines.get(state.pipeline, OPEN)
    remaining = [stage for stage in pipeline.stages if stage not in state.checkpoints]
    done = max(state.checkpoints.items(), key=_at, default=None)
    failed = max(state.failures.items(), key=_at, default=None)
    latest = max((one for one in (done, failed) if one), key=_at, default=None)
    has_failed = failed is not None and latest is failed
    return JobSummary(
        job_id=job,
        status=_status(known.status, has_failed=has_failed, pipeline=pipeline, remaining=remaining),
        pipeline=state.pipeline,
        completed_stages=pipeline.in_order(state.checkpoints),
        remaining_stages=remaining,
        stage=latest[0] if latest else None,
        started_at=state.incarnation.time,
        last_event_at=state.id.time,
        expires_at=None if state.deleted else utc(state.expires_ms),
        version=state.version,
        attempts=sum(failure.attempts for failure in state.failures.values()),
        error=f"{failed[1].error}: {failed[1].message}" if failed and has_failed else "",
        owner=known.owner,
        source=state.source,
    )


def _at(stage: tuple[str, Checkpoint | Failure]) -> EntryId:
    return stage[1].id


def _status(status: Status, *, has_failed: bool, pipeline: Pipeline, remaining: list[str]) -> str:
    if status is not Status.LIVE:
        return status.value
    if has_failed:
        return "failed"
    return "complete" if pipeline.stages and not remaining else "running"
