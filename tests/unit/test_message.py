"""Messages as fields of an entry: what goes in comes out."""

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoint.events.message import decode, encode

maybe_bytes = st.none() | st.binary(max_size=40)
headers = st.lists(st.tuples(st.text(max_size=10), st.binary(max_size=20)), max_size=4)


def flat(fields: dict[bytes, bytes]) -> list[bytes]:
    return list(chain.from_iterable(fields.items()))


@given(maybe_bytes, maybe_bytes, headers)
def test_a_message_comes_out_as_it_went_in(
    key: bytes | None, value: bytes | None, pairs: list[tuple[str, bytes]]
) -> None:
    fields = encode(key, value, pairs)
    assert fields
    assert decode(flat(fields)) == (key, value, pairs or ([] if key is value is None else None))


def test_header_values_may_be_text() -> None:
    assert decode(flat(encode(None, b"1", {"unit": "ms"})))[2] == [("unit", b"ms")]


@pytest.mark.parametrize("bad", [b"", b"{", b"[1]", b'[["a", "%"]]', b"\xff"])
def test_headers_that_are_none_are_left_out(bad: bytes) -> None:
    assert decode([b"v", b"1", b"h", bad, b"other", b"2"]) == (None, b"1", None)
