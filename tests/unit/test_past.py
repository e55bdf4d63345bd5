"""What a job was: at any time, after any event, in any of its lives."""

from typing import Any, NamedTuple

import pytest
from histories import JOBS, TTL_MS, Act, MemoryLog, event_of, histories
from hypothesis import given
from hypothesis import strategies as st

from checkpoint.events.entry import Entry
from checkpoint.events.errors import NotOnRecord
from checkpoint.projector.fold import NOTHING, fold_all
from checkpoint.query.history.past import NOW, Moment, job_past, state_at
from checkpoint.query.lookup import Status
from checkpoint.query.pipeline import Pipeline

PIPELINES = {"film": Pipeline("film", ("cut", "mix", "export"))}


class Lapse(NamedTuple):
    """An act, and how long after the one before it happens."""

    act: Act
    ms: int


lapses = histories(max_size=20).flatmap(
    lambda acts: st.tuples(
        *(st.builds(Lapse, st.just(act), st.sampled_from([0, 1, TTL_MS])) for act in acts)
    )
)


def written(happened: tuple[Lapse, ...]) -> MemoryLog:
    log = MemoryLog()
    for one in happened:
        log.append(event_of(one.act), pass_ms=one.ms)
    return log


def of_life(entries: list[Entry], last: Entry) -> list[Entry]:
    return [
        one
        for one in entries
        if one.incarnation == last.incarnation and one.version <= last.version
    ]


@given(lapses)
def test_at_the_time_of_an_entry_it_is_the_fold_up_to_then(happened: tuple[Lapse, ...]) -> None:
    log = written(happened)
    for job in JOBS:
        entries = log.of(job)
        for number, entry in enumerate(entries):
            if number + 1 < len(entries) and entries[number + 1].id.ms == entry.id.ms:
                continue  # in the same millisecond more happened
            past = state_at(entries, Moment(at_ms=entry.id.ms), log.now_ms)
            assert past.state == fold_all(NOTHING, entries[: number + 1])
            assert past.status is (Status.DELETED if past.state.deleted else Status.LIVE)


@given(lapses)
def test_after_a_version_it_is_the_fold_of_that_life_up_to_it(
    happened: tuple[Lapse, ...],
) -> None:
    log = written(happened)
    for job in JOBS:
        entries = log.of(job)
        for entry in entries:
            moment = Moment(version=entry.version, incarnation=entry.incarnation)
            past = state_at(entries, moment, log.now_ms)
            assert past.state == fold_all(NOTHING, of_life(entries, entry))
            assert past.at_ms == entry.id.ms


@given(lapses)
def test_now_it_is_the_fold_of_everything(happened: tuple[Lapse, ...]) -> None:
    log = written(happened)
    for job in JOBS:
        assert state_at(log.of(job), NOW, log.now_ms).state == fold_all(NOTHING, log.of(job))


def a_job_of_two_lives() -> MemoryLog:
    log = MemoryLog()
    log.append(event_of(Act("complete", "j", "cut", {"n": 1})), pass_ms=10)
    log.append(event_of(Act("fail", "j", "mix")), pass_ms=10)
    log.append(event_of(Act("delete", "j")), pass_ms=10)
    log.append(event_of(Act("complete", "j", "export", 2)), pass_ms=10)
    return log


def test_a_job_is_deleted_from_then_on_and_lives_again_later() -> None:
    log = a_job_of_two_lives()
    entries = log.of("j")
    times = [entry.id.ms for entry in entries]
    statuses = [
        state_at(entries, Moment(at_ms=ms), log.now_ms).status
        for ms in (times[0] - 1, times[1], times[2], times[2] + 9, times[3], times[3] + TTL_MS)
    ]
    assert statuses == [
        Status.UNKNOWN,
        Status.LIVE,
        Status.DELETED,
        Status.DELETED,
        Status.LIVE,
        Status.EXPIRED,
    ]


def test_a_version_is_of_the_life_at_that_time_or_of_the_one_named() -> None:
    entries = a_job_of_two_lives().of("j")
    latest = state_at(entries, Moment(version=1), 0)
    first = state_at(entries, Moment(version=1, at_ms=entries[1].id.ms), 0)
    named = state_at(entries, Moment(version=1, incarnation=entries[0].incarnation), 0)
    assert [list(one.state.checkpoints) for one in (latest, first, named)] == [
        ["export"],
        ["cut"],
        ["cut"],
    ]


@pytest.mark.parametrize(
    ("moment", "message"),
    [
        (Moment(version=2), "Version 2 is not on record: there are 1 to 1"),
        (Moment(version=1, at_ms=5), "Version 1 is not on record: the job had not begun"),
        (Moment(incarnation=(7, 7)), "Incarnation .* is not on record; there are: "),  # type: ignore[arg-type] # a tuple will do
    ],
)
def test_what_never_was_is_told_with_what_was(moment: Moment, message: str) -> None:
    with pytest.raises(NotOnRecord, match=message):
        state_at(a_job_of_two_lives().of("j"), moment, 0)


def test_what_people_read_has_data_failures_and_owner() -> None:
    log = a_job_of_two_lives()
    log.append(event_of(Act("claim", "j")))
    entries = log.of("j")

    def told(moment: Moment) -> dict[str, Any]:
        return job_past("j", state_at(entries, moment, log.now_ms), PIPELINES)

    found = told(Moment(at_ms=entries[1].id.ms))
    assert [(one["stage"], one["status"], one["data"]) for one in found["stages"]] == [
        ("cut", "done", {"n": 1}),
        ("mix", "failed", None),
        ("export", "pending", None),
    ]
    assert (found["status"], found["stages"][1]["failures"]) == ("failed", 1)
    assert told(NOW)["owner"] == "worker-1"


def test_what_a_job_had_that_is_over_is_told_without_its_data() -> None:
    log = a_job_of_two_lives()
    entries = log.of("j")
    deleted = job_past("j", state_at(entries, Moment(at_ms=entries[2].id.ms), 0), PIPELINES)
    expired = job_past("j", state_at(entries, NOW, log.now_ms + TTL_MS), PIPELINES)
    assert [(one["stage"], one["status"], one["data"]) for one in deleted["stages"]] == [
        ("cut", "deleted", None),
        ("mix", "deleted", None),
    ]
    assert [one["is_completed"] for one in deleted["stages"]] == [True, False]
    assert (deleted["status"], deleted["expires_at"]) == ("deleted", None)
    assert [(one["stage"], one["status"]) for one in expired["stages"]] == [("export", "expired")]


def test_before_its_first_event_a_job_did_not_exist_yet() -> None:
    entries = a_job_of_two_lives().of("j")
    early = job_past("j", state_at(entries, Moment(at_ms=5), 0), PIPELINES)
    assert (early["status"], early["version"], early["stages"]) == ("did not exist yet", 0, [])
    assert (early["incarnation"], early["started_at"], early["expires_at"]) == (None, None, None)
