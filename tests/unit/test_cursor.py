"""Cursors: pure bookkeeping of what was handed out, and of what of it is done."""

from hypothesis import given
from hypothesis import strategies as st

from checkpoint.events.cursor import Cursor, Progress
from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.slices import Slice


def at(number: int) -> EntryId:
    return EntryId(number, 0)


def slice_of(start: int, stop: int) -> Slice:
    entries = [[f"{one}-0".encode(), []] for one in range(start, stop + 1)]
    return Slice(0, at(start - 1), at(start), at(stop), entries)


def cursor_with(*ends: int) -> Cursor:
    cursor = Cursor()
    cursor.start(ZERO)
    for start, stop in zip((1, *(end + 1 for end in ends)), ends, strict=False):
        cursor.take(slice_of(start, stop))
    return cursor


def test_slices_are_numbered_from_one_through_every_new_start() -> None:
    cursor = cursor_with(10, 20)
    assert cursor.number == 2
    assert cursor.reset() == 3
    cursor.start(at(10))
    assert cursor.take(slice_of(11, 20)) == 3


def test_progress_goes_up_to_the_first_slice_that_is_not_done() -> None:
    cursor = cursor_with(10, 20, 30)
    assert cursor.finish([3]) == 1
    assert cursor.progress is None
    assert cursor.finish([1]) == 2
    assert cursor.progress == Progress(ZERO, at(10), 10)
    assert cursor.finish([2]) == 4
    assert cursor.progress == Progress(ZERO, at(30), 30)


def test_later_progress_counts_from_what_was_published() -> None:
    cursor = cursor_with(10, 20)
    cursor.finish([1])
    made = cursor.progress
    assert made is not None
    cursor.finish([2])
    cursor.published(made)
    assert cursor.progress == Progress(at(10), at(20), 10)
    cursor.published(made)
    assert cursor.progress == Progress(at(10), at(20), 10)


def test_what_was_published_before_a_new_start_changes_nothing_after_it() -> None:
    cursor = cursor_with(10)
    cursor.finish([1])
    made = cursor.progress
    assert made is not None
    cursor.reset()
    cursor.published(made)
    assert cursor.position is None
    assert cursor.progress is None


@given(st.permutations(range(1, 9)), st.integers(0, 8))
def test_in_whatever_order_slices_are_done_nothing_undone_is_passed(
    order: list[int], count: int
) -> None:
    cursor = cursor_with(*range(10, 90, 10))
    done = order[:count]
    for number in done:
        cursor.finish([number])
    first_undone = next((one for one in range(1, 9) if one not in done), 9)
    assert cursor.finish([]) == first_undone
    last = cursor.progress.last if cursor.progress else ZERO
    assert last == at((first_undone - 1) * 10)
