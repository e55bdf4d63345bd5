"""Slices: cut without a gap."""

from hypothesis import given
from hypothesis import strategies as st

from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.slices import cut


def raw(*ids: int) -> list[list[object]]:
    return [[f"{one}-0".encode(), [b"name", b"value"]] for one in ids]


def test_entries_are_handed_on_as_they_are() -> None:
    entries = raw(5, 7)
    (one,) = cut(3, ZERO, entries, 512)
    assert (one.partition, one.after, one.first, one.last) == (
        3,
        ZERO,
        EntryId(5, 0),
        EntryId(7, 0),
    )
    assert one.entries[1] is entries[1]


@given(st.sets(st.integers(1, 1000)), st.integers(1, 20))
def test_slices_follow_each_other_without_a_gap(ids: set[int], size: int) -> None:
    entries = raw(*sorted(ids))
    slices = list(cut(0, ZERO, entries, size))
    assert [entry for one in slices for entry in one.entries] == entries
    assert [one.after for one in slices] == [ZERO, *(one.last for one in slices)][: len(slices)]
    assert all(len(one.entries) == size for one in slices[:-1])
