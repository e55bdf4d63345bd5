from typing import get_args

import msgspec
import pytest

from checkpoint.events.event import (
    UPCASTERS,
    AnyEvent,
    JobDeleted,
    StageCompleted,
    upcast_stage_failed,
)


def test_the_tags_of_what_logs_hold_never_change() -> None:
    tags = {kind.__name__: kind.__struct_config__.tag for kind in get_args(AnyEvent)}
    assert tags == {
        "StageCompleted": "stage_completed",
        "StageFailed": "stage_failed.2",
        "StageInterrupted": "stage_interrupted",
        "JobRewound": "job_rewound",
        "JobForked": "job_forked",
        "EventsLost": "events_lost",
        "JobDeleted": "job_deleted",
        "JobClaimed": "job_claimed",
        "JobRenewed": "job_renewed",
        "JobReleased": "job_released",
    }


def test_no_current_tag_is_an_old_one() -> None:
    assert not {kind.__struct_config__.tag for kind in get_args(AnyEvent)} & set(UPCASTERS)


def test_events_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        JobDeleted(job="a").job = "b"  # type: ignore[misc] # what the test is about


def test_a_stage_without_data_has_an_empty_object() -> None:
    assert bytes(StageCompleted(job="j", stage="s").data) == b"{}"


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("OSError: disk: full", "OSError", "disk: full"),
        ("OSError", "OSError", ""),
        ("", "", ""),
    ],
)
def test_the_old_error_text_is_split_in_two(text: str, error: str, message: str) -> None:
    old = {"type": "stage_failed", "job": "j", "stage": "s", "error": text}
    new = upcast_stage_failed(old)
    assert (new["error"], new["message"]) == (error, message)
    assert msgspec.convert(new, AnyEvent)
