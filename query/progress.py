"""Progress: what a job has done so far, for people and monitors. Pure."""

from datetime import datetime
from typing import TypedDict

from checkpoint.events.entry_id import utc

from .lookup import Answer
from .pipeline import Pipeline
from .status import job_status


class CheckpointInfo(TypedDict):
    """One completed stage."""

    stage: str
    completed_at: datetime
    expires_at: datetime
    """The same for all checkpoints of a job: it expires as a whole."""
    version: int


class FailureInfo(TypedDict):
    """The failures of one stage."""

    stage: str
    failed_at: datetime
    attempts: int
    error: str
    message: str


class JobProgress(TypedDict):
    """How far a job has come."""

    job_id: str
    status: str
    """running, failed (its latest stage event is a failure), complete (all stages of the manager's
    pipeline are done), deleted, expired or never existed."""
    pipeline: str
    completed_stages: list[str]
    remaining_stages: list[str]
    last_stage: str | None
    is_complete: bool
    version: int
    checkpoints: list[CheckpointInfo]
    failures: list[FailureInfo]
    source: str
    """Where the answer comes from: view, log, archive or spool."""


def job_progress(job: str, answer: Answer, pipeline: Pipeline) -> JobProgress:
    """Derive the progress of a job; a job without live checkpoints has no completed stages."""
    state = answer.live
    done = pipeline.in_order(state.checkpoints)
    remaining = [stage for stage in pipeline.stages if stage not in state.checkpoints]
    expires_at = utc(state.expires_ms)
    return JobProgress(
        job_id=job,
        status=job_status(answer.status, answer.state, pipeline),
        pipeline=state.pipeline,
        completed_stages=done,
        remaining_stages=remaining,
        last_stage=done[-1] if done else None,
        is_complete=bool(pipeline.stages) and not remaining,
        version=state.version,
        checkpoints=[
            CheckpointInfo(
                stage=stage,
                completed_at=state.checkpoints[stage].id.time,
                expires_at=expires_at,
                version=state.checkpoints[stage].version,
            )
            for stage in done
        ],
        failures=[
            FailureInfo(
                stage=stage,
                failed_at=failure.id.time,
                attempts=failure.attempts,
                error=failure.error,
                message=failure.message,
            )
            for stage, failure in state.failures.items()
        ],
        source=answer.source.value,
    )
