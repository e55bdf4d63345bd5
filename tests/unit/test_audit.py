"""The audit's rows: each event, and what the fold says after it."""

from collections.abc import Iterator, Sequence

import msgspec
import pytest
from histories import STAGES, TTL_MS, Act, MemoryLog, event_of, histories, log_of
from hypothesis import given
from hypothesis import strategies as st

from checkpoint.events.entry import Entry
from checkpoint.projector.fold import NOTHING, JobState, fold_all
from checkpoint.query.history import audit as module
from checkpoint.query.history.audit import AuditRow, Span, audit, states_after
from checkpoint.query.listing.summary import Known, summarize
from checkpoint.query.lookup import status_of
from checkpoint.query.pipeline import Pipeline

PIPELINES = {"film": Pipeline("film", STAGES)}


def pages(entries: list[Entry], size: int) -> Iterator[list[Entry]]:
    for start in range(0, len(entries), size):
        yield entries[start : start + size]


def rows(log: MemoryLog, span: Span = Span(), size: int = 7) -> list[AuditRow]:  # noqa: B008 - frozen
    return [row for page in audit(pages(log.entries, size), span, PIPELINES) for row in page]


@given(histories(), st.integers(1, 9))
def test_after_each_event_the_states_are_the_fold_of_all_before(acts: list[Act], size: int) -> None:
    log = log_of(acts)
    states = [one for _, after in states_after(pages(log.entries, size)) for one in after]
    for number, (entry, state) in enumerate(zip(log.entries, states, strict=True)):
        before = [one for one in log.entries[: number + 1] if one.event.job == entry.event.job]
        assert state == fold_all(NOTHING, before)


@given(histories())
def test_a_row_says_of_its_job_what_a_list_of_jobs_says(acts: list[Act]) -> None:
    log = log_of(acts)
    for number, row in enumerate(rows(log)):
        before = [one for one in log.entries[: number + 1] if one.event.job == row.job_id]
        state = fold_all(NOTHING, before)
        known = Known(state, status_of(state, state.id.ms), state.owner)
        summary = summarize(row.job_id, known, PIPELINES)
        assert row.status == summary["status"]
        assert row.completed == len(summary["completed_stages"])
        assert row.pipeline == summary["pipeline"]
        assert (row.id, row.version) == (str(state.id), state.version)


def test_a_row_has_what_its_event_says() -> None:
    log = log_of([Act("complete", "j", "cut", {"n": [1]}), Act("fail", "j", "mix")])
    done, failed = rows(log)
    assert (done.type, done.stage, bytes(done.data)) == ("stage_completed", "cut", b'{"n":[1]}')
    assert (failed.type, failed.error, failed.message) == ("stage_failed", "OSError", "no")
    assert (done.took_ms, done.error, bytes(failed.data)) == (None, None, b"null")
    assert msgspec.json.decode(msgspec.json.encode(done))["data"] == {"n": [1]}


def test_only_events_since_a_time_and_of_a_pipeline_are_rows() -> None:
    log = MemoryLog()
    for stage in STAGES:
        log.append(event_of(Act("complete", "j", stage)), pass_ms=10)
    late = rows(log, Span(since_ms=log.now_ms - 10))
    assert [(row.stage, row.completed) for row in late] == [("mix", 2), ("export", 3)]
    assert rows(log, Span(pipeline="other")) == []
    assert len(rows(log, Span(pipeline="film"))) == len(STAGES)


@given(histories(), st.integers(1, 9), st.integers(0, 3))
def test_what_a_long_replay_has_forgotten_is_recalled(
    acts: list[Act], size: int, kept: int
) -> None:
    log = log_of(acts)

    def recall(entries: Sequence[Entry]) -> dict[str, JobState]:
        return {one.event.job: fold_all(NOTHING, before(one)) for one in entries}

    def before(entry: Entry) -> list[Entry]:
        return [
            one
            for one in log.entries
            if (one.event.job, one.incarnation) == (entry.event.job, entry.incarnation)
            and one.id < entry.id
        ]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "KEPT_JOBS", kept)
        found = [
            one for _, after in states_after(pages(log.entries, size), recall) for one in after
        ]
    assert found == [fold_all(NOTHING, [*before(one), one]) for one in log.entries]


def test_no_more_states_are_kept_than_that_however_many_jobs_are_alive() -> None:
    log = MemoryLog()
    for number in range(3 * module.KEPT_JOBS):
        log.append(event_of(Act("complete", f"job-{number}", "cut")))
    replaying = states_after(pages(log.entries, 500), lambda _: {})
    frame = replaying.gi_frame  # type: ignore[attr-defined] # it is a generator
    kept = [len(frame.f_locals["states"]) for _ in replaying]
    assert max(kept) <= module.KEPT_JOBS + 500


@pytest.mark.parametrize("jobs", [300, 3000])
def test_where_many_jobs_go_on_side_by_side_more_states_are_kept_up_to_a_limit(
    jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT_JOBS", 100)
    monkeypatch.setattr(module, "MOST_KEPT_JOBS", 800)
    log = MemoryLog()
    for stage in range(8):
        for number in range(jobs):
            log.append(event_of(Act("complete", f"job-{number}", f"stage-{stage}")))
    recalled: list[str] = []

    def recall(entries: Sequence[Entry]) -> dict[str, JobState]:
        recalled.extend(one.event.job for one in entries)
        return dict.fromkeys(recalled[-len(entries) :], NOTHING)

    replaying = states_after(pages(log.entries, 50), recall)
    frame = replaying.gi_frame  # type: ignore[attr-defined] # it is a generator
    kept = [len(frame.f_locals["states"]) for _ in replaying]
    assert max(kept) <= module.MOST_KEPT_JOBS + 50
    is_enough = jobs <= module.MOST_KEPT_JOBS
    assert len(recalled) < 2 * jobs if is_enough else len(recalled) == 7 * jobs


def test_states_of_jobs_that_are_no_more_are_let_go() -> None:
    log = MemoryLog()
    for number in range(3 * module.KEPT_JOBS):
        log.append(event_of(Act("complete", f"job-{number}", "cut")), pass_ms=TTL_MS // 100)
    replaying = states_after(pages(log.entries, 500))
    most = 0
    for _ in replaying:
        frame = replaying.gi_frame  # type: ignore[attr-defined] # it is a generator
        most = max(most, len(frame.f_locals["states"]))
    assert most <= module.KEPT_JOBS + 500
