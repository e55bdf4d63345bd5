"""Statuses: the one word that says of a job how it stands. Pure."""

from collections.abc import Mapping

from checkpoint.events.entry_id import EntryId
from checkpoint.projector.fold import NOTHING, Checkpoint, Failure, JobState

from .lookup import Status
from .pipeline import Pipeline

LIVE_STATUSES = ("running", "failed", "complete")
"""Of a job that has live checkpoints, or may have them."""
STATUSES = (*LIVE_STATUSES, Status.DELETED.value, Status.EXPIRED.value)


def job_status(status: Status, state: JobState, pipeline: Pipeline) -> str:
    """Say how a job stands: one of STATUSES, or `never existed`.

    A live job has failed if its latest stage event is a failure. It is complete if all stages that
    the pipeline declares are done, and else it is running.
    """
    if status is not Status.LIVE:
        return status.value
    if state.failures and _last(state.failures) > _last(state.checkpoints):
        return "failed"
    stages = pipeline.stages
    return "complete" if stages and all(one in state.checkpoints for one in stages) else "running"


def _last(stages: Mapping[str, Checkpoint] | Mapping[str, Failure]) -> EntryId:
    return max((one.id for one in stages.values()), default=NOTHING.id)
