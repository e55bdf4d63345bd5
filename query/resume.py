"""Resume points: what a job's state says about where its pipeline goes on. Pure."""

from typing import Any, TypedDict

from checkpoint.events import payload
from checkpoint.events.errors import OtherPipeline
from checkpoint.projector.fold import Checkpoint

from .lookup import Answer
from .pipeline import Pipeline


class ResumePoint(TypedDict):
    """Where a job goes on."""

    job_id: str
    resume_from_stage: str | None
    """The first stage, in order, that is not completed. For a complete job the last stage, which a
    pipeline then skips like the others; None if the pipeline declares no stages."""
    last_completed_stage: str
    """The last stage, in order, that is completed."""
    checkpoint_data: Any
    """The data of the last completed stage."""
    stage_data: dict[str, Any]
    """Every completed stage's data, in order."""
    is_complete: bool
    source: str
    """Where the answer comes from: view, log, archive or spool."""


def resume_point(job: str, answer: Answer, pipeline: Pipeline) -> ResumePoint | None:
    """Derive the resume point of a job; None where it has no live checkpoint.

    OtherPipeline where the live checkpoints are all of stages that another pipeline has.
    """
    checkpoints = answer.live.checkpoints
    done = pipeline.in_order(checkpoints)
    if pipeline.stages:
        done = [stage for stage in done if stage in pipeline]
    if not done:
        _check_pipeline(job, answer, pipeline)
        return None
    missing = [stage for stage in pipeline.stages if stage not in checkpoints]
    data = {stage: data_of(checkpoints[stage]) for stage in done}
    return ResumePoint(
        job_id=job,
        resume_from_stage=missing[0] if missing else next(reversed(pipeline.stages), None),
        last_completed_stage=done[-1],
        checkpoint_data=data[done[-1]],
        stage_data=data,
        is_complete=bool(pipeline.stages) and not missing,
        source=answer.source.value,
    )


def _check_pipeline(job: str, answer: Answer, pipeline: Pipeline) -> None:
    theirs = answer.live.pipeline
    if answer.live.checkpoints and theirs != pipeline.name:
        raise OtherPipeline(
            f"Job {job!r} has live checkpoints of "
            f"{f'the pipeline {theirs!r}' if theirs else 'a manager without a pipeline'}, and none "
            f"of the stages of {repr(pipeline.name) if pipeline.name else 'this pipeline'}"
        )


def data_of(checkpoint: Checkpoint, type: Any = None) -> Any:  # noqa: A002 - msgspec's own word
    """Decode the data that was saved with a checkpoint, as plain values or as `type`."""
    return payload.decode(checkpoint.data, type)
