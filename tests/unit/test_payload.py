import dataclasses
import enum
import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from histories import json_values
from hypothesis import given

from checkpoint.events import payload
from checkpoint.events.errors import CheckpointError, InvalidPayload, PayloadTooLarge

NAN, INFINITY = float("nan"), float("inf")


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Clip:
    name: str
    seconds: float


class Scene(msgspec.Struct):
    clips: list[Clip]
    at: datetime


def cyclic_list() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def cyclic_dict() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["itself"] = [value]
    return value


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


@given(json_values)
def test_what_json_can_hold_comes_back_equal(value: Any) -> None:
    back = payload.decode(payload.encode(value))
    assert back == value
    assert repr(back) == repr(value)  # tells -0.0 from 0.0, 1 from 1.0 and from True


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (NAN, "data is nan"),
        (INFINITY, "data is inf"),
        ({"a": NAN}, "data.a is nan"),
        ({"a": [1, {"b": -INFINITY}]}, r"data.a\[1\].b is -inf"),
        ([[0], [0, NAN]], r"data\[1\]\[1\] is nan"),
        (Clip("x", NAN), "data.seconds is nan"),
        ({"clips": [Clip("x", 1.0), Clip("y", INFINITY)]}, r"data.clips\[1\].seconds is inf"),
        ({Colour.RED: NAN}, "data.red is nan"),
        ("\0", "data is '.x00'"),
        ({"a": "b\0c"}, r"data.a is 'b.x00c'"),
        ({"a": {"b\0": 1}}, r"data.a has the key 'b.x00'"),
        ("\ud800", "data is '.ud800'"),
        ({"ü": ["\udfff"]}, r"data.ü\[0\] is '.udfff'"),
        ({"\udc00": 1}, "data has the key '.udc00'"),
        ({1: 2}, "data has the key 1.*not int"),
        ({"a": {None: 2}}, "data.a has the key None"),
        ({"a": [{"b": {True: 2}}]}, r"data.a\[0\].b has the key True"),
        ({(1, 2): 3}, r"data has the key \(1, 2\)"),
        ({1.5: 3}, r"data has the key 1.5"),
        (2**64, "data is 18446744073709551616"),
        (-(2**63) - 1, "data is -9223372036854775809"),
        ({"n": [2**70]}, r"data.n\[0\] is 1180591620717411303424"),
    ],
)
def test_what_does_not_come_back_is_refused_by_its_path(data: Any, path: str) -> None:
    with pytest.raises(InvalidPayload, match=path):
        payload.encode(data)


@pytest.mark.parametrize(
    "data", [object(), {"a": object()}, lambda: 1, 1j, {"a": [{"b": range(3)}]}, msgspec.UNSET]
)
def test_what_json_has_no_form_for_is_refused(data: Any) -> None:
    with pytest.raises(InvalidPayload, match="cannot be written as JSON"):
        payload.encode(data)


@pytest.mark.parametrize(
    "data", [msgspec.Raw(b"[1"), {"a": msgspec.Raw(b'{"x": NaN}')}, [msgspec.Raw(b'"\\u0000"')]]
)
def test_encoded_json_is_not_taken_unchecked(data: Any) -> None:
    with pytest.raises(InvalidPayload):
        payload.encode(data)


@pytest.mark.parametrize("data", [cyclic_list(), cyclic_dict(), nested(150), nested(50_000)])
def test_what_nests_without_end_or_too_deep_is_refused(data: Any) -> None:
    with pytest.raises(InvalidPayload, match="deeper than 100 levels"):
        payload.encode(data)


MONROVIA = timezone(timedelta(minutes=-44, seconds=-30))
"""Liberia's offset until 1972."""
NOON = datetime(1971, 6, 1, 12, tzinfo=MONROVIA)


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (NOON, "data is"),
        ({"shots": [{"at": NOON}]}, r"data\.shots\[0\]\.at is"),
        ({"at": NOON.timetz()}, r"data\.at is"),
        (Scene([], NOON), r"data\.at is"),
        ({"days": {NOON: 1}}, r"data\.days has a key that is"),
        ([time(1, tzinfo=timezone(timedelta(microseconds=5)))], r"data\[0\] is"),
    ],
)
def test_a_utc_offset_that_is_not_of_whole_minutes_is_refused(data: Any, path: str) -> None:
    with pytest.raises(InvalidPayload, match=f"{path} .*whole minutes"):
        payload.encode(data)


@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 1, 2, 3, 4, 5, 6),  # noqa: DTZ001 - no zone is what is tested
        datetime(2026, 1, 2, tzinfo=UTC),
        datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=5, minutes=45))),
        time(3, 4, tzinfo=timezone(-timedelta(minutes=90))),
    ],
)
def test_a_time_comes_back_the_same_as_a_value_and_as_a_key(value: datetime | time) -> None:
    kind = type(value)
    ((back, at),) = payload.decode(payload.encode({value: value}), dict[kind, kind]).items()
    assert (back, at) == (value, value)
    assert at.utcoffset() == value.utcoffset()


def test_the_deepest_nesting_that_is_allowed_comes_back() -> None:
    deepest = nested(payload.MAX_DEPTH - 1)
    assert payload.decode(payload.encode(deepest)) == deepest


@pytest.mark.parametrize("number", [2**64 - 1, -(2**63), 2**53 + 1, 0])
def test_integers_come_back_exactly_up_to_the_bounds(number: int) -> None:
    assert payload.decode(payload.encode({"n": number})) == {"n": number}


def test_data_up_to_the_limit_is_taken_and_one_byte_more_is_not() -> None:
    assert len(bytes(payload.encode("x" * 98, limit=100))) == 100
    with pytest.raises(PayloadTooLarge, match=r"101 bytes.*at most 100"):
        payload.encode("x" * 99, limit=100)


def test_the_limit_counts_bytes_and_not_letters() -> None:
    with pytest.raises(PayloadTooLarge):
        payload.encode("ü" * 50, limit=100)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), datetime),
        (date(2026, 1, 2), date),
        (timedelta(hours=36, microseconds=1), timedelta),
        (b"\0\xff binary", bytes),
        (Colour.RED, Colour),
        (Clip("x", 1.5), Clip),
        (Scene([Clip("x", 0.1)], datetime(2026, 1, 1, tzinfo=UTC)), Scene),
        (Decimal("0.10000000000000000000001"), Decimal),
        (uuid.UUID(int=2**127 + 1), uuid.UUID),
        ({"a": (1, 2)}, dict[str, tuple[int, int]]),
        ({1, 2}, set[int]),
    ],
)
def test_a_typed_value_comes_back_as_its_type(value: Any, kind: Any) -> None:
    assert payload.decode(payload.encode(value), kind) == value


def test_data_of_another_type_is_a_clear_error() -> None:
    with pytest.raises(CheckpointError, match=r"not a .*Clip.*seconds"):
        payload.decode(payload.encode({"name": "x"}), Clip)


def test_bytes_that_are_no_json_are_a_checkpoint_error() -> None:
    with pytest.raises(CheckpointError):
        payload.decode(b'"\xff"')


def test_what_cannot_be_written_is_named_by_its_path() -> None:
    with pytest.raises(InvalidPayload, match=r"^data\.scenes\[1\]\.at cannot be written as JSON"):
        payload.encode({"scenes": [{"at": 1.0}, {"at": object()}], "n": 1})
