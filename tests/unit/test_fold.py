from typing import Any

from histories import JOBS, TTL_MS, Act, MemoryLog, Model, event_of, histories, log_of
from hypothesis import given
from hypothesis import strategies as st

from checkpoint.events import codec, payload
from checkpoint.events.entry import Entry
from checkpoint.events.entry_id import EntryId
from checkpoint.events.event import JobDeleted, JobReleased, StageCompleted
from checkpoint.projector.fold import NOTHING, JobState, fold, fold_all
from checkpoint.query.lookup import Status, status_of


def data(state: JobState) -> dict[str, Any]:
    """Return what the completed stages of a state hold."""
    return {stage: payload.decode(done.data) for stage, done in state.checkpoints.items()}


@given(histories())
def test_the_fold_is_what_the_model_expects(acts: list[Act]) -> None:
    log = MemoryLog()
    models = {job: Model() for job in JOBS}
    for act in acts:
        log.append(event_of(act))
        models[act.job].happen(act)
    for job, model in models.items():
        state = fold_all(NOTHING, log.of(job))
        assert data(state) == model.stages
        assert {stage: one.attempts for stage, one in state.failures.items()} == model.failures
        assert (state.version, state.deleted) == (model.version, model.deleted)


@given(histories(), st.data())
def test_folding_in_any_slicing_gives_the_same_state(acts: list[Act], draw: st.DataObject) -> None:
    entries = log_of(acts).of(JOBS[0])
    whole = fold_all(NOTHING, entries)
    state, start = NOTHING, 0
    while start < len(entries):
        end = draw.draw(st.integers(start + 1, len(entries)))
        state = fold_all(state, entries[start:end])
        start = end
    assert state == whole


@given(histories(), st.data())
def test_entries_that_come_again_change_nothing(acts: list[Act], draw: st.DataObject) -> None:
    entries = log_of(acts).of(JOBS[0])
    cut = draw.draw(st.integers(0, len(entries)))
    again = draw.draw(st.integers(0, cut))
    state = fold_all(NOTHING, entries[:cut])
    assert fold_all(state, entries[again:]) == fold_all(NOTHING, entries)


@given(histories())
def test_the_fold_changes_no_state_that_it_was_given(acts: list[Act]) -> None:
    states = [NOTHING]
    for entry in log_of(acts).of(JOBS[0]):
        states.append(fold(states[-1], entry))
    again = NOTHING
    for state, entry in zip(states[1:], log_of(acts).of(JOBS[0]), strict=True):
        again = fold(again, entry)
        assert again == state
    assert JobState() == NOTHING


@given(histories())
def test_the_state_keeps_the_datas_own_bytes(acts: list[Act]) -> None:
    log = log_of(acts)
    by_id = {entry.id: entry for entry in log.entries}
    for checkpoint in fold_all(NOTHING, log.of(JOBS[0])).checkpoints.values():
        event = by_id[checkpoint.id].event
        assert isinstance(event, StageCompleted)
        assert checkpoint.data == event.data
        assert checkpoint.version == by_id[checkpoint.id].version


def test_a_stage_saved_again_has_the_latest_data_and_its_first_place() -> None:
    acts = [Act("complete", "j", stage, n) for n, stage in enumerate(["cut", "mix", "cut"])]
    state = fold_all(NOTHING, log_of(acts).of("j"))
    assert data(state) == {"cut": 2, "mix": 1}


def test_a_new_incarnation_has_nothing_of_the_old_one() -> None:
    acts = [
        Act("complete", "j", "cut", 1),
        Act("fail", "j", "mix"),
        Act("claim", "j"),
        Act("delete", "j"),
        Act("complete", "j", "mix", 2),
    ]
    entries = log_of(acts).of("j")
    state = fold_all(NOTHING, entries)
    assert data(state) == {"mix": 2}
    assert (state.failures, state.owner, state.token, state.deleted) == ({}, "", "", False)
    assert (state.version, state.incarnation) == (1, entries[-1].id)


def test_deletion_leaves_nothing_but_that_it_was_deleted() -> None:
    acts = [Act("complete", "j", "cut", 1), Act("claim", "j"), Act("delete", "j")]
    state = fold_all(NOTHING, log_of(acts).of("j"))
    assert (state.checkpoints, state.failures, state.owner, state.token) == ({}, {}, "", "")
    assert status_of(state, 0) is Status.DELETED


def test_an_event_after_expiry_begins_anew_though_nothing_ended_the_old_life() -> None:
    log = MemoryLog()
    log.append(event_of(Act("complete", "j", "cut", 1)))
    log.append(event_of(Act("complete", "j", "mix", 2)), pass_ms=TTL_MS)
    assert data(fold_all(NOTHING, log.of("j"))) == {"mix": 2}


def test_a_job_expires_as_a_whole_counted_from_its_latest_event() -> None:
    log = MemoryLog()
    log.append(event_of(Act("complete", "j", "cut", 1)))
    last = log.append(event_of(Act("fail", "j", "mix")), pass_ms=TTL_MS - 1)
    state = fold_all(NOTHING, log.of("j"))
    assert state.expires_ms == last.id.ms + TTL_MS
    assert status_of(state, state.expires_ms - 1) is Status.LIVE
    assert status_of(state, state.expires_ms) is Status.EXPIRED


def test_a_later_event_may_shorten_the_life_of_a_job() -> None:
    log = MemoryLog()
    log.append(event_of(Act("complete", "j", "cut", 1)))
    last = log.append(event_of(Act("complete", "j", "mix", 2), ttl_ms=10))
    assert fold_all(NOTHING, log.of("j")).expires_ms == last.id.ms + 10


def test_a_claim_is_named_by_its_entry_and_release_ends_it() -> None:
    log = MemoryLog()
    claim = log.append(event_of(Act("claim", "j")))
    held = fold_all(NOTHING, log.of("j"))
    assert (held.owner, held.token) == ("worker-1", str(claim.id))
    log.append(JobReleased(job="j", token=str(claim.id)))
    released = fold_all(NOTHING, log.of("j"))
    assert (released.owner, released.token) == ("", "")


def test_a_job_of_which_nothing_is_known_never_existed() -> None:
    assert status_of(NOTHING, 0) is Status.UNKNOWN


def test_a_failure_keeps_its_count_and_the_last_message() -> None:
    log = MemoryLog()
    for message in ("first", "second"):
        log.append(
            codec.decode(
                b'{"type":"stage_failed","job":"j","stage":"cut","error":"E: %s"}'
                % message.encode()
            )
        )
    failure = fold_all(NOTHING, log.of("j")).failures["cut"]
    assert (failure.attempts, failure.error, failure.message) == (2, "E", "second")


def test_deleting_twice_in_one_log_is_two_lives() -> None:
    log = MemoryLog()
    log.append(JobDeleted(job="j"))
    second = log.append(JobDeleted(job="j"))
    assert fold_all(NOTHING, log.of("j")).incarnation == second.id


def test_folding_many_leaves_what_was_given_as_it_was() -> None:
    first, second = (
        Entry(EntryId(1, n), EntryId(1, 1), n, StageCompleted(job="j", stage=f"s{n}"), b"{}")
        for n in (1, 2)
    )
    before = fold_all(NOTHING, [first])
    later = fold_all(before, [first, second])
    assert set(before.checkpoints) == {"s1"}
    assert set(later.checkpoints) == {"s1", "s2"}
    assert not NOTHING.checkpoints
