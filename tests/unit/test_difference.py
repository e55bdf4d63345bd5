"""What differs between two values, and between two states of a job."""

from typing import Any

import pytest
from histories import MemoryLog, json_values
from hypothesis import given

from checkpoint.events import payload
from checkpoint.events.event import (
    JobClaimed,
    JobDeleted,
    JobReleased,
    StageCompleted,
    StageFailed,
)
from checkpoint.projector.fold import NOTHING, JobState, fold_all
from checkpoint.query.history.difference import Difference, changes, difference


def found(before: Any, after: Any) -> list[tuple[str, str, Any, Any]]:
    return [
        (one["path"], one["kind"], one["before"], one["after"]) for one in changes(before, after)
    ]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": 1}, {"a": 2}, [("$.a", "changed", 1, 2)]),
        ({}, {"a": None}, [("$.a", "added", None, None)]),
        ({"a": [1]}, {}, [("$.a", "removed", [1], None)]),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, [("$.a.b", "changed", 1, 2)]),
        ([1, 2], [1, 3, 4], [("$[1]", "changed", 2, 3), ("$[2]", "added", None, 4)]),
        ([{"x": 1}], [{}], [("$[0].x", "removed", 1, None)]),
        ({"a b": 1}, {"a b": 2}, [('$["a b"]', "changed", 1, 2)]),
        ({'"': 1}, {'"': 2}, [('$["\\""]', "changed", 1, 2)]),
        (1, 1.0, [("$", "changed", 1, 1.0)]),
        (True, 1, [("$", "changed", True, 1)]),
        ({"a": 1}, [1], [("$", "changed", {"a": 1}, [1])]),
        ([None], [None, None], [("$[1]", "added", None, None)]),
    ],
)
def test_each_place_that_differs_is_named(before: Any, after: Any, expected: Any) -> None:
    assert found(before, after) == expected


@given(json_values)
def test_a_value_does_not_differ_from_itself(value: Any) -> None:
    assert found(value, value) == []


@given(json_values, json_values)
def test_what_differs_is_found_and_turned_round_the_other_way(before: Any, after: Any) -> None:
    there, back = found(before, after), found(after, before)
    assert there or before == after
    assert {path for path, *_ in there} == {path for path, *_ in back}


def test_what_lies_too_deep_is_one_value() -> None:
    def nested(depth: int, inside: Any) -> Any:
        return [nested(depth - 1, inside)] if depth else inside

    ((path, kind, _, _),) = found(nested(300, 1), nested(300, 2))
    assert (path, kind) == ("$" + "[0]" * 100, "changed")


def state(log: MemoryLog, version: int) -> JobState:
    return fold_all(NOTHING, (one for one in log.of("j") if one.version <= version))


def completed(stage: str, data: Any) -> StageCompleted:
    return StageCompleted(job="j", stage=stage, data=payload.encode(data))


def test_two_states_of_a_job_are_compared_stage_by_stage() -> None:
    log = MemoryLog()
    log.append(completed("cut", {"n": 1}))
    log.append(completed("mix", {}))
    log.append(JobClaimed(job="j", owner="w", lease_ms=1))
    log.append(StageFailed(job="j", stage="export", error="OSError", message="no"))
    log.append(completed("cut", {"n": 2}))
    log.append(completed("mix", {}))
    log.append(completed("export", {}))
    assert difference(state(log, 2), state(log, 7)) == Difference(
        added=["export"],
        removed=[],
        changed={"cut": [{"path": "$.n", "kind": "changed", "before": 1, "after": 2}], "mix": []},
        failed={"export": (0, 1)},
        owners=(None, "w"),
    )
    back = difference(state(log, 7), state(log, 2))
    assert (back["added"], back["removed"], back["owners"]) == ([], ["export"], ("w", None))


def test_a_deletion_takes_everything() -> None:
    log = MemoryLog()
    log.append(JobClaimed(job="j", owner="w", lease_ms=1))
    log.append(completed("cut", {}))
    log.append(JobReleased(job="j", token="1-0"))
    log.append(JobDeleted(job="j"))
    lost = difference(state(log, 2), state(log, 4))
    assert (lost["removed"], lost["owners"]) == (["cut"], ("w", None))


def test_a_state_does_not_differ_from_itself() -> None:
    log = MemoryLog()
    log.append(completed("cut", {}))
    same = difference(state(log, 1), state(log, 1))
    assert not any(same.values())
