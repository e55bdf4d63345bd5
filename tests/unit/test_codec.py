import json
from typing import Any

import msgspec
import pytest
from histories import json_values
from hypothesis import example, given
from hypothesis import strategies as st

from checkpoint.events import codec, payload
from checkpoint.events import entry as log_entry
from checkpoint.events.entry_id import EntryId
from checkpoint.events.errors import UndecodableEntry
from checkpoint.events.event import (
    UPCASTERS,
    AnyEvent,
    JobClaimed,
    JobDeleted,
    JobReleased,
    JobRenewed,
    StageCompleted,
    StageFailed,
)

OLD_FAILURE = b'{"type":"stage_failed","job":"film","stage":"cut","error":"OSError: disk: full"}'

json_documents = json_values.map(lambda value: json.dumps(value).encode())
events_gone_wrong = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["stage_failed", "stage_failed.2", "stage_completed", "job_x"])
        | json_values,
        "job": json_values,
        "stage": json_values,
        "error": json_values,
        "ttl_ms": json_values,
        "data": json_values,
    },
).map(lambda value: json.dumps(value).encode())


@pytest.mark.parametrize(
    "event",
    [
        StageCompleted(job="j", stage="s", pipeline="p", data=msgspec.Raw(b'{"a":1}'), ttl_ms=5),
        StageCompleted(job="j", stage="s"),
        StageFailed(job="j", stage="s", error="OSError", message="disk: full"),
        JobDeleted(job="j"),
        JobClaimed(job="j", owner="worker-7", lease_ms=30_000),
        JobRenewed(job="j", token="1-0"),
        JobReleased(job="j", token="1-0"),
        JobDeleted(job='ünïcode/🎬 "quoted"'),
    ],
)
def test_every_event_comes_back(event: AnyEvent) -> None:
    encoded = codec.encode(event)
    back = codec.decode(encoded)
    assert type(back) is type(event)
    assert codec.encode(back) == encoded
    assert (back.job, back.ttl_ms) == (event.job, event.ttl_ms)


@given(json_values)
def test_the_payload_comes_back_byte_for_byte(value: Any) -> None:
    data = payload.encode(value)
    back = codec.decode(codec.encode(StageCompleted(job="j", stage="s", data=data)))
    assert isinstance(back, StageCompleted)
    assert bytes(back.data) == bytes(data)


def test_what_the_log_keeps_is_plain_json_that_later_releases_must_read() -> None:
    event = StageCompleted(job="j", stage="s", pipeline="p", data=msgspec.Raw(b'{"n":1e23}'))
    assert codec.encode(event) == (
        b'{"type":"stage_completed","job":"j","stage":"s","pipeline":"p","data":{"n":1e23}}'
    )


def test_control_characters_are_data_like_any_other() -> None:
    data = payload.encode({"text": "a\x01\x1f\x7f", "path": "C:\\users"})
    back = codec.decode(codec.encode(StageCompleted(job="j", stage="s", data=data)))
    assert isinstance(back, StageCompleted)
    assert bytes(back.data) == bytes(data)


def test_the_first_version_of_a_failure_is_read_as_the_second() -> None:
    assert codec.decode(OLD_FAILURE) == StageFailed(
        job="film", stage="cut", error="OSError", message="disk: full"
    )


def test_upcasters_are_followed_through_several_versions() -> None:
    def to_first(old: dict[str, Any]) -> dict[str, Any]:
        return {**old, "type": "stage_failed", "error": f"{old.pop('what')}: {old.pop('why')}"}

    oldest = b'{"type":"failure","job":"film","stage":"cut","what":"OSError","why":"full"}'
    event = codec.decode(oldest, {**UPCASTERS, "failure": to_first})
    assert event == StageFailed(job="film", stage="cut", error="OSError", message="full")


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b'{"type":"stage_paused","job":"j"}',
        b'{"type":"stage_completed","job":"j"}',
        b'{"type":"stage_completed","job":7,"stage":"s"}',
        b'{"type":"job_deleted","job":"j","ttl_ms":"long"}',
        b'{"type":["stage_failed"],"job":"j"}',
        b'{"type":"stage_failed","job":"j","stage":"s","error":7}',
        b'{"type":"stage_failed","job":"j"}',
        OLD_FAILURE[:-1],
        b'{"type":"stage_completed","job":"j","stage":"s","data":"\\u0000"}',
        b'{"type":"stage_completed","job":"j","stage":"s","data":{"a\\ud800":1}}',
        b'{"type":"stage_completed","job":"j\\u0000","stage":"s"}',
        b'{"type":"stage_completed","job":"j","stage":"s","data":' + b"[" * 100_000,
        b'{"type":"stage_failed","job":"j","stage":"s","x":' + b"[" * 100_000,
    ],
)
def test_what_is_not_an_event_is_undecodable(encoded: bytes) -> None:
    with pytest.raises(UndecodableEntry, match="Not an event that this version can read"):
        codec.decode(encoded)


@given(st.binary() | json_documents | events_gone_wrong)
@example(b'{"type":"stage_failed","job":"j","stage":"s","error":null}')
def test_any_bytes_are_an_event_or_undecodable(encoded: bytes) -> None:
    try:
        event = codec.decode(encoded)
    except UndecodableEntry:
        return
    assert codec.decode(codec.encode(event)) == event or isinstance(event, StageCompleted)


@given(
    st.binary(max_size=30),
    st.lists(
        st.sampled_from([b"event", b"version", b"incarnation", b"1", b"1-0", OLD_FAILURE])
        | st.binary(max_size=10)
    ),
)
@example(b"1-0", [b"event", OLD_FAILURE, b"version", b"1", b"incarnation"])
def test_any_entry_is_one_of_ours_or_undecodable(name: bytes, fields: list[bytes]) -> None:
    try:
        entry = log_entry.decode(name, fields)
    except UndecodableEntry:
        return
    assert isinstance(entry.id, EntryId)


def test_an_entry_that_begins_an_incarnation_names_it() -> None:
    fields = [b"event", OLD_FAILURE, b"version", b"1", b"incarnation", b""]
    assert log_entry.decode(b"7-1", fields).incarnation == EntryId(7, 1)


def test_entries_that_are_none_are_set_aside_with_their_fields() -> None:
    good = (b"1-0", [b"event", OLD_FAILURE, b"version", b"1", b"incarnation", b""])
    bad = (b"2-0", [b"event", b"garbage", b"version", b"1", b"incarnation", b""])
    foreign = (b"3-0", [b"hello", b"world"])
    entries, dead = log_entry.decode_all([good, bad, foreign])
    assert [entry.id for entry in entries] == [EntryId(1, 0)]
    assert [(letter.id, letter.fields) for letter in dead] == [
        (EntryId(2, 0), bad[1]),
        (EntryId(3, 0), foreign[1]),
    ]


def completed(data: bytes) -> bytes:
    return b'{"type":"stage_completed","job":"film","stage":"cut","data":%b}' % data


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_an_event_nests_as_deep_as_its_data_may_and_no_deeper(
    opening: bytes, closing: bytes
) -> None:
    def nested(levels: int) -> bytes:
        return completed(opening * levels + b"1" + closing * levels)

    codec.decode(nested(payload.MAX_DEPTH))
    for levels in (payload.MAX_DEPTH + 1, 300, 1000, 100_000):
        with pytest.raises(UndecodableEntry, match="nests deeper than 101 levels"):
            codec.decode(nested(levels))


@pytest.mark.parametrize(
    "data",
    [
        b"[" + b"[]," * 1000 + b"{}]",
        b'"' + b"[{" * 1000 + b'"',
        b'"' + b'\\\\\\"[' * 1000 + b'"',
        b'{"' + b"[" * 1000 + b'":"\\\\"}',
    ],
)
def test_brackets_side_by_side_and_in_strings_do_not_nest(data: bytes) -> None:
    codec.decode(completed(data))


@pytest.mark.parametrize("cut", [b'"' * 300_001, b'"' + b'\\"' * 300_000, b"[" * 200 + b'"'])
def test_text_that_is_cut_off_is_refused_in_no_time(cut: bytes) -> None:
    with pytest.raises(UndecodableEntry):
        codec.decode(b"[" * 200 + cut)
