"""Explanations: what a pipeline would do with a job if it ran now, and why. Pure."""

from collections.abc import Mapping, Sequence
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
    time: datetime | None
    took_ms: int | None
    """Milliseconds that it took when it was completed; None where nothing tells."""
    is_measured: bool
    """Whether the pipeline said how long it took; else it is the time since the event before."""


class Plan(TypedDict):
    """What a pipeline would do with a job."""

    job_id: str
    pipeline: str
    is_declared: bool
    """Whether the pipeline's stages are known; else only those that the job has been at are."""
    steps: list[PlanStep]
    resume_from_stage: str | None
    """The first stage that would run."""
    saved_ms: int
    """Milliseconds that the skipped stages took, as far as is known."""
    is_measured: bool
    """Whether the pipeline said all of these durations."""


def explain(job: str, known: Known, entries: Sequence[Entry], pipeline: Pipeline) -> Plan:
    """Derive the plan for a job from its state and the entries of its latest incarnation."""
    records = {one["stage"]: one for one in stage_records(known, entries, pipeline)}
    stages = dict.fromkeys([*pipeline.stages, *records])
    rewound = _rewound(entries)
    steps = [_step(stage, records.get(stage), known, rewound) for stage in stages]
    skipped = [step for step in steps if step["action"] == "skip"]
    return Plan(
        job_id=job,
        pipeline=pipeline.name or known.state.pipeline,
        is_declared=bool(pipeline.stages),
        steps=steps,
        resume_from_stage=next((step["stage"] for step in steps if step["action"] == "run"), None),
        saved_ms=sum(step["took_ms"] or 0 for step in skipped),
        is_measured=all(step["is_measured"] for step in skipped),
    )


def _step(
    stage: str, record: StageRecord | None, known: Known, rewound: Mapping[str, int]
) -> PlanStep:
    done = known.state.checkpoints.get(stage) if known.status is Status.LIVE else None
    return PlanStep(
        stage=stage,
        action="skip" if done else "run",
        why="completed" if done else _why_run(stage, known, rewound),
        id=str(done.id) if done else None,
        version=done.version if done else None,
        time=done.id.time if done else None,
        took_ms=record["took_ms"] if done and record else None,
        is_measured=bool(done and record and record["is_measured"]),
    )


def _rewound(entries: Sequence[Entry]) -> dict[str, int]:
    """Return the version at which each stage was rewound last."""
    return {
        stage: one.version
        for one in entries
        if isinstance(one.event, JobRewound)
        for stage in one.event.stages
    }


def _why_run(stage: str, known: Known, rewound: Mapping[str, int]) -> str:
    if known.status is Status.DELETED:
        return f"the job was deleted at version {known.state.version}"
    if known.status is Status.EXPIRED:
        return "the job has expired"
    if failure := known.state.failures.get(stage):
        times = "once" if failure.attempts == 1 else f"{failure.attempts} times"
        return f"failed {times}, the last time with {failure.error}: {failure.message}"
    return f"rewound at version {rewound[stage]}" if stage in rewound else "not completed"
