import copy
import pickle
from time import process_time

import pytest
from histories import FILM

from checkpoint import Pipeline, SmartVideoEditorCheckpoint
from checkpoint.events.errors import InvalidName, UnknownStage
from checkpoint.events.names import MAX_NAME_BYTES
from checkpoint.query.pipeline import OPEN, as_pipeline


def test_a_stage_of_the_pipeline_is_taken() -> None:
    assert FILM.check("mix") == "mix"


@pytest.mark.parametrize("stage", ["Mix", "mix ", "", "paint"])
def test_an_unknown_stage_is_an_error_that_names_those_there_are(stage: str) -> None:
    with pytest.raises(UnknownStage, match="stages are: cut, mix, export"):
        FILM.check(stage)


def test_the_error_of_the_video_pipeline_names_its_eight_stages() -> None:
    pipeline = SmartVideoEditorCheckpoint.pipeline
    with pytest.raises(UnknownStage) as unknown:
        pipeline.check("rendering")
    assert len(pipeline.stages) == 8
    assert all(stage in str(unknown.value) for stage in pipeline.stages)


def test_an_open_pipeline_takes_any_name_that_is_one() -> None:
    assert OPEN.check("whatever") == "whatever"
    with pytest.raises(InvalidName):
        OPEN.check("")


def test_stages_are_in_the_pipelines_order_and_others_follow() -> None:
    assert FILM.in_order(["export", "extra", "cut"]) == ["cut", "export", "extra"]
    assert OPEN.in_order(["b", "a"]) == ["b", "a"]


@pytest.mark.parametrize(
    ("name", "stages"), [("film", ["cut", "cut"]), ("film", [""]), ("film\n", ["cut"])]
)
def test_a_pipeline_of_bad_names_is_refused(name: str, stages: list[str]) -> None:
    with pytest.raises(InvalidName):
        Pipeline(name, stages)


def test_plain_stage_names_make_a_pipeline_named_after_the_first_and_the_last() -> None:
    made = as_pipeline(["a", "x", "b"])
    assert made == Pipeline(made.name, ("a", "x", "b"))
    assert made.name.startswith("a..b#")
    assert made == as_pipeline(("a", "x", "b"))
    assert made.name != as_pipeline(["a", "b"]).name
    assert as_pipeline([]) == OPEN
    assert len(as_pipeline(["🎬" * 100, "🎬" * 101]).name.encode()) <= MAX_NAME_BYTES
    assert as_pipeline(FILM) is FILM


def test_the_first_stage_that_comes_twice_is_named() -> None:
    with pytest.raises(InvalidName, match="the stage 'a' more than once"):
        Pipeline("film", ["a", "b", "b", "a"])


def test_equality_and_pickling_go_by_name_and_stages() -> None:
    pickled = pickle.dumps(FILM)
    loaded = pickle.loads(pickled)  # noqa: S301 - written above
    for one in (loaded, copy.deepcopy(FILM), Pipeline(FILM.name, FILM.stages)):
        assert one == FILM
        assert hash(one) == hash(FILM)
        assert one.check("mix") == "mix"
    assert len(pickled) < len(pickle.dumps((FILM.name, FILM.stages))) + 100
    assert Pipeline(FILM.name, FILM.stages[:-1]) != FILM
    assert repr(FILM) == f"Pipeline(name={FILM.name!r}, stages={FILM.stages!r})"


def test_a_hundred_thousand_stages_take_time_in_proportion() -> None:
    stages = [f"s{number}" for number in range(100_000)]
    began = process_time()
    made = Pipeline("long", stages)
    assert made.in_order([*reversed(stages), "extra"]) == [*stages, "extra"]
    for stage in stages:
        made.check(stage)
    assert process_time() - began < 10  # more than a minute if each stage were sought in all
