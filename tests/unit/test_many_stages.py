"""Answers about a job of very many stages take time in proportion to their number."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import process_time

import pytest
from histories import MemoryLog
from msgspec import Raw
from msgspec.structs import replace

from checkpoint import Pipeline
from checkpoint.events.event import JobRewound, StageCompleted
from checkpoint.projector.fold import Checkpoint, JobState
from checkpoint.query.history.explain import explain
from checkpoint.query.listing.summary import Known, summarize
from checkpoint.query.lookup import Answer, Source, Status
from checkpoint.query.progress import job_progress
from checkpoint.query.resume import resume_point
from checkpoint.travel import from_stage, up_to

STAGES = tuple(f"s{number}" for number in range(30_000))
LONG = Pipeline("long", STAGES)


@contextmanager
def in_proportion() -> Iterator[None]:
    """Fail after 4 s of processor time: where the square counts, each answer takes more."""
    began = process_time()
    yield
    assert process_time() - began < 4


@pytest.fixture(scope="module")
def log() -> MemoryLog:
    made = MemoryLog()
    for stage in STAGES:
        made.append(StageCompleted(job="j", stage=stage, pipeline="long"))
    return made


@pytest.fixture(scope="module")
def state(log: MemoryLog) -> JobState:
    entries = log.of("j")
    done = zip(STAGES, entries, strict=True)
    return JobState(
        incarnation=entries[0].id,
        version=len(entries),
        id=entries[-1].id,
        expires_ms=entries[-1].id.ms + 1000,
        pipeline="long",
        checkpoints={stage: Checkpoint(one.id, one.version, 0, Raw(b"1")) for stage, one in done},
    )


def test_resume_point_progress_and_summary(state: JobState) -> None:
    answer = Answer(state, Status.LIVE, Source.VIEW)
    with in_proportion():
        point = resume_point("j", answer, LONG)
        progress = job_progress("j", answer, LONG)
        summary = summarize("j", Known(state, Status.LIVE, ""), {"long": LONG})
    assert point is not None
    assert (point["last_completed_stage"], point["is_complete"]) == (STAGES[-1], True)
    assert progress["completed_stages"] == summary["completed_stages"] == list(STAGES)


@pytest.mark.parametrize("order", [STAGES, ()])
def test_rewind_and_fork(state: JobState, order: tuple[str, ...]) -> None:
    with in_proportion():
        assert from_stage("j", state, order, "s10") == list(STAGES[10:])
        assert up_to("j", state, order, "s10") == list(STAGES[:11])


def test_the_plan_of_a_job_that_was_rewound(log: MemoryLog, state: JobState) -> None:
    again = JobRewound(job="j", stage="s0", stages=STAGES)
    entries = [*log.of("j"), log.append(again)]
    known = Known(replace(state, checkpoints={}), Status.LIVE, "")
    with in_proportion():
        plan = explain("j", known, entries, LONG)
    assert {step["why"] for step in plan["steps"]} == {"rewound at version 30001"}
