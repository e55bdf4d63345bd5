from typing import Any

import pytest
from histories import FILM, Act, log_of
from msgspec.structs import replace

from checkpoint import OtherPipeline, Pipeline
from checkpoint.projector.fold import NOTHING, fold_all
from checkpoint.query.lookup import Answer, Source, Status
from checkpoint.query.pipeline import OPEN
from checkpoint.query.resume import ResumePoint, resume_point


def resume(
    *stages: str, pipeline: Pipeline = FILM, status: Status = Status.LIVE
) -> ResumePoint | None:
    """Derive the resume point of a job that completed stages, in that order."""
    acts = [Act("complete", "j", stage, {"n": n}) for n, stage in enumerate(stages)]
    state = fold_all(NOTHING, log_of(acts).of("j"))
    return resume_point("j", Answer(state, status, Source.VIEW), pipeline)


def found(*stages: str, pipeline: Pipeline = FILM) -> dict[str, Any]:
    point = resume(*stages, pipeline=pipeline)
    assert point is not None
    return dict(point)


def test_a_job_goes_on_after_its_last_stage() -> None:
    assert found("cut", "mix") == {
        "job_id": "j",
        "resume_from_stage": "export",
        "last_completed_stage": "mix",
        "checkpoint_data": {"n": 1},
        "stage_data": {"cut": {"n": 0}, "mix": {"n": 1}},
        "is_complete": False,
        "source": "view",
    }


def test_a_job_goes_on_at_the_first_stage_that_is_missing() -> None:
    point = found("export", "cut")
    assert point["resume_from_stage"] == "mix"
    assert point["last_completed_stage"] == "export"
    assert point["checkpoint_data"] == {"n": 0}
    assert list(point["stage_data"]) == ["cut", "export"]


def test_a_complete_job_says_so_and_names_its_last_stage() -> None:
    point = found("cut", "mix", "export")
    assert point["is_complete"]
    assert point["resume_from_stage"] == "export"


def test_an_open_pipeline_is_never_complete() -> None:
    point = found("b", "a", pipeline=OPEN)
    assert (point["resume_from_stage"], point["is_complete"]) == (None, False)
    assert point["last_completed_stage"] == "a"


def test_stages_of_another_pipeline_do_not_count() -> None:
    assert resume("paint") is None
    point = found("paint", "cut")
    assert list(point["stage_data"]) == ["cut"]


@pytest.mark.parametrize("status", [Status.DELETED, Status.EXPIRED, Status.UNKNOWN])
def test_a_job_that_is_gone_has_no_resume_point(status: Status) -> None:
    assert resume("cut", status=status) is None


def test_a_job_that_only_failed_has_no_resume_point() -> None:
    state = fold_all(NOTHING, log_of([Act("fail", "j", "cut")]).of("j"))
    assert resume_point("j", Answer(state, Status.LIVE, Source.VIEW), FILM) is None


def test_a_job_of_another_pipeline_is_not_said_to_have_nothing() -> None:
    acts = [Act("complete", "j", "cut", {})]
    state = fold_all(NOTHING, log_of(acts).of("j"))
    other = Pipeline("song", ["record", "master"])
    theirs = Answer(replace(state, pipeline="film"), Status.LIVE, Source.VIEW)
    with pytest.raises(OtherPipeline, match=r"'j' .* 'film', .* 'song'"):
        resume_point("j", theirs, other)
    with pytest.raises(OtherPipeline, match="without a pipeline"):
        resume_point("j", theirs._replace(state=replace(state, pipeline="")), other)
    assert resume_point("j", theirs._replace(status=Status.DELETED), other) is None
    renamed = theirs._replace(state=replace(state, pipeline="song"))
    assert resume_point("j", renamed, other) is None
