"""A change as edits of a view's list: whoever makes them has the list that the new state has."""

from collections import deque
from typing import Any

from histories import JOBS, Act, event_of, histories, log_of
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from checkpoint.events.event import JobRewound
from checkpoint.projector.change import INDEX_KEEPS, Change
from checkpoint.projector.fold import NO_DATA, NOTHING, JobState, fold_all
from checkpoint.projector.view import parse_view, view_of


def without_data(state: JobState) -> JobState:
    """Forget what the projector does not know of a view that it has read."""
    known = {stage: replace(one, data=NO_DATA) for stage, one in state.checkpoints.items()}
    return replace(state, checkpoints=known)


def edited(view: list[Any], change: Change) -> list[Any]:
    """Do with a list what `write_views` does."""
    _, _, anew, *rest = change.arguments()
    arguments = deque(rest)

    def part() -> list[Any]:
        return [arguments.popleft() for _ in range(int(arguments.popleft()))]

    _, changed, dropped, appended = part(), part(), part(), part()
    assert not arguments
    new = [] if anew else list(view)
    for place, element in zip(changed[::2], changed[1::2], strict=True):
        new[place] = element
    return [one for place, one in enumerate(new) if place not in dropped] + appended


@given(histories(), st.data())
def test_the_edits_of_any_slices_make_the_view_of_the_state(
    acts: list[Act], draw: st.DataObject
) -> None:
    entries = log_of(acts).of(JOBS[0])
    view: list[Any] = []
    before, start = NOTHING, 0
    while start < len(entries):
        end = draw.draw(st.integers(start + 1, len(entries)))
        after = fold_all(before, entries[start:end])
        view = edited(view, Change(before, after))
        whole = fold_all(NOTHING, entries[:end])
        assert view == view_of(whole)
        assert parse_view([bytes(str(view[0]), "utf-8"), *view[1:]]) == whole
        before, start = without_data(whole), end


def test_a_stage_that_alone_was_rewound_and_done_again_moves_to_the_end() -> None:
    log = log_of([Act("complete", "j", stage, stage) for stage in ("cut", "mix", "export")])
    before = fold_all(NOTHING, log.of("j"))
    log.append(JobRewound(job="j", stage="cut", stages=("cut",)))
    log.append(event_of(Act("complete", "j", "mix", "again")))
    log.append(event_of(Act("complete", "j", "cut", "again")))
    after = fold_all(before, log.of("j"))
    assert list(after.checkpoints) == ["mix", "export", "cut"]
    assert edited(view_of(before), Change(without_data(before), after)) == view_of(after)


def test_a_state_that_stays_as_it_is_edits_nothing() -> None:
    assert edited([], Change(NOTHING, NOTHING)) == []


def test_a_view_that_lacks_entries_is_emptied() -> None:
    state = fold_all(NOTHING, log_of([Act("complete", "j", "cut", 1)]).of("j"))
    assert edited(view_of(state), Change(state, NOTHING)) == []


def test_the_index_does_without_the_versions_that_the_view_has_had_for_long() -> None:
    def forgotten(before: int, after: int) -> list[int]:
        acts = [Act("complete", "j", f"s{n}", n) for n in range(after)]
        entries = log_of(acts).of("j")
        change = Change(fold_all(NOTHING, entries[:before]), fold_all(NOTHING, entries))
        _, _, _, count, *rest = change.arguments()
        return [int(one) for one in rest[: int(count)]]

    assert forgotten(0, INDEX_KEEPS) == []
    assert forgotten(0, INDEX_KEEPS + 2) == [1, 2]
    assert forgotten(INDEX_KEEPS, INDEX_KEEPS + 3) == [1, 2, 3]
    assert forgotten(INDEX_KEEPS + 2, INDEX_KEEPS + 3) == [3]
