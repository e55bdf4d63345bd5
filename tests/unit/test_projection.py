from histories import JOBS, Act, MemoryLog, event_of, histories, log_of
from hypothesis import given
from hypothesis import strategies as st

from checkpoint.events.entry import Entry
from checkpoint.projector.change import Change
from checkpoint.projector.fold import NOTHING, JobState, fold_all
from checkpoint.projector.projection import by_job, project


def project_one(state: JobState, entries: list[Entry]) -> JobState:
    """Project entries of the job `j` onto its state."""
    return project({"j": state}, {"j": entries})["j"].after


def three_stages() -> list[Entry]:
    return log_of([Act("complete", "j", stage, 1) for stage in ("cut", "mix", "export")]).of("j")


@given(histories(), st.data())
def test_projecting_slices_of_any_size_is_the_fold(acts: list[Act], draw: st.DataObject) -> None:
    log = log_of(acts)
    states = dict.fromkeys(JOBS, NOTHING)
    start = 0
    while start < len(log.entries):
        end = draw.draw(st.integers(start + 1, len(log.entries)))
        jobs = by_job(log.entries[start:end])
        states |= {job: change.after for job, change in project(states, jobs).items()}
        start = end
    assert states == {job: fold_all(NOTHING, log.of(job)) for job in JOBS}


def test_entries_are_grouped_by_job_in_the_order_of_the_log() -> None:
    entries = log_of([Act("complete", job, "cut", 1) for job in "abab"]).entries
    assert by_job(entries) == {"a": [entries[0], entries[2]], "b": [entries[1], entries[3]]}


def test_a_lost_view_is_never_folded_on() -> None:
    assert project_one(NOTHING, three_stages()[1:]) == NOTHING


def test_a_view_that_lacks_entries_is_dropped() -> None:
    first, _, third = three_stages()
    assert project_one(fold_all(NOTHING, [first]), [third]) == NOTHING


def test_a_lost_view_is_made_anew_by_the_next_incarnation() -> None:
    log = log_of([Act("complete", "j", "cut", 1), Act("complete", "j", "mix", 2)])
    log.append(event_of(Act("delete", "j")))
    log.append(event_of(Act("complete", "j", "export", 3)))
    entries = log.of("j")
    assert project_one(NOTHING, entries[1:]) == fold_all(NOTHING, entries)


def test_a_view_does_not_go_on_in_an_incarnation_whose_start_it_lacks() -> None:
    log = MemoryLog()
    log.append(event_of(Act("complete", "j", "cut", 1)))
    log.append(event_of(Act("delete", "j")))
    log.append(event_of(Act("complete", "j", "mix", 2)))
    log.append(event_of(Act("complete", "j", "export", 3)))
    entries = log.of("j")
    assert project_one(fold_all(NOTHING, entries[:1]), entries[3:]) == NOTHING


def test_entries_that_the_view_has_are_passed_over() -> None:
    entries = three_stages()
    state = fold_all(NOTHING, entries[:2])
    assert project_one(state, entries) == fold_all(NOTHING, entries)


def test_a_view_of_another_incarnation_or_of_a_deleted_job_counts_no_more() -> None:
    log = log_of([Act("complete", "j", "cut", 1), Act("complete", "j", "mix", 2)])
    entries = log.of("j")
    first, both = fold_all(NOTHING, entries[:1]), fold_all(NOTHING, entries)
    assert Change(NOTHING, first).is_anew
    assert not Change(first, both).is_anew
    log.append(event_of(Act("delete", "j")))
    assert Change(both, fold_all(both, log.of("j"))).is_anew
