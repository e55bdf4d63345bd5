"""Explanations: what a pipeline would do with a job if it ran now, and why. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict

from checkpoint.events.entry import Entry
from checkpoint.events.event import JobRewound
from checkpoint.query.listing.summary import Known
from checkpoint.query.lookup import Status
from checkpoint.query.pipeline import Pipeline

from .record import StageRecord, stage_records


class PlanStep(TypedDict):
    """What would become of one stage."""

    stage: str
    action: str
    """skip or run."""
    why: str
    id: str | None
    """The entry by which it is skipped."""
    version: int | None
    at: datetime | None
    took: float | None
    """Seconds that it took when it was completed; None where nothing tells."""
    is_measured: bool
    """Whether the pipeline said how long it took; else it is the time since the event before."""


class Plan(TypedDict):
    """What a pipeline would do with a job."""

    job_id: str
    pipeline: str
    is_declared: bool
    """Whether the pipeline's stages are known; else only those that the job has been at are."""
    steps: list[PlanStep]
    resume_from: str | None
    """The first stage that would run."""
    time_saved: float
    """Seconds that the skipped stages took, as far as is known."""
    is_measured: bool
    """Whether the pipeline said all of these durations."""


def explain(job: str, known: Known, entries: Sequence[Entry], pipeline: Pipeline) -> Plan:
    """Derive the plan for a job from its state and the entries of its latest incarnation."""
    stages = stage_records(known, entries, pipeline)
    steps = [_step(stage, known, entries) for stage in stages]
    skipped = [step for step in steps if step["action"] == "skip"]
    return Plan(
        job_id=job,
        pipeline=pipeline.name or known.state.pipeline,
        is_declared=bool(pipeline.stages),
        steps=steps,
        resume_from=next((step["stage"] for step in steps if step["action"] == "run"), None),
        time_saved=sum(step["took"] or 0.0 for step in skipped),
        is_measured=all(step["is_measured"] for step in skipped),
    )


def _step(stage: StageRecord, known: Known, entries: Sequence[Entry]) -> PlanStep:
    done = known.state.checkpoints.get(stage["stage"])
    skips = done is not None and known.status is Status.LIVE
    return PlanStep(
        stage=stage["stage"],
        action="skip" if skips else "run",
        why="completed" if skips else _why_run(stage, known, entries),
        id=str(done.id) if done and skips else None,
        version=done.version if done and skips else None,
        at=done.id.time if done and skips else None,
        took=stage["took"] if skips else None,
        is_measured=skips and stage["is_measured"],
    )


def _why_run(stage: StageRecord, known: Known, entries: Sequence[Entry]) -> str:
    if known.status is Status.DELETED:
        return f"the job was deleted at version {known.state.version}"
    if known.status is Status.EXPIRED:
        return "the job has expired"
    if failure := known.state.failures.get(stage["stage"]):
        times = "once" if failure.attempts == 1 else f"{failure.attempts} times"
        return f"failed {times}, the last time with {failure.error}: {failure.message}"
    rewound = [
        one.version
        for one in entries
        if isinstance(one.event, JobRewound) and stage["stage"] in one.event.stages
    ]
    return f"rewound at version {rewound[-1]}" if rewound else "not completed"
