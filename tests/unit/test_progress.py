import pytest
from histories import FILM, TTL_MS, Act, log_of

from checkpoint.events.entry_id import utc
from checkpoint.projector.fold import NOTHING, fold_all
from checkpoint.query.listing.summary import Known, summarize
from checkpoint.query.lookup import Answer, Source, Status
from checkpoint.query.pipeline import OPEN
from checkpoint.query.progress import job_progress
from checkpoint.query.snapshot import JobSnapshot

ACTS = [
    Act("complete", "j", "mix", 1),
    Act("fail", "j", "export"),
    Act("complete", "j", "cut", 2),
    Act("fail", "j", "export"),
]


def answer(acts: list[Act], status: Status = Status.LIVE) -> Answer:
    return Answer(fold_all(NOTHING, log_of(acts).of("j")), status, Source.VIEW)


def test_progress_tells_what_is_done_in_order_and_what_remains() -> None:
    progress = job_progress("j", answer(ACTS), FILM)
    assert progress["completed_stages"] == ["cut", "mix"]
    assert progress["remaining_stages"] == ["export"]
    assert progress["last_stage"] == "mix"
    assert progress["pipeline"] == "film"
    assert (progress["is_complete"], progress["version"]) == (False, 4)
    assert (progress["status"], progress["source"]) == ("failed", "view")


@pytest.mark.parametrize(
    ("acts", "status"),
    [
        (ACTS, "failed"),
        (ACTS[:3], "running"),
        ([*ACTS, Act("complete", "j", "export", 3)], "complete"),
    ],
)
def test_the_status_is_the_word_that_a_list_of_jobs_has(acts: list[Act], status: str) -> None:
    found = answer(acts)
    listed = summarize("j", Known(found.state, found.status, ""), {FILM.name: FILM})
    assert job_progress("j", found, FILM)["status"] == listed["status"] == status
    assert JobSnapshot("j", found, FILM).status == status


def test_every_checkpoint_has_its_own_time_and_all_expire_together() -> None:
    entries = log_of(ACTS).of("j")
    checkpoints = job_progress("j", answer(ACTS), FILM)["checkpoints"]
    assert [(one["stage"], one["version"]) for one in checkpoints] == [("cut", 3), ("mix", 1)]
    assert checkpoints[1]["completed_at"] == entries[0].id.time
    assert {one["expires_at"] for one in checkpoints} == {utc(entries[-1].id.ms + TTL_MS)}
    assert all(one["expires_at"].tzinfo for one in checkpoints)


def test_failures_are_counted_by_stage() -> None:
    [failure] = job_progress("j", answer(ACTS), FILM)["failures"]
    assert (failure["stage"], failure["attempts"]) == ("export", 2)
    assert (failure["error"], failure["message"]) == ("OSError", "no")


@pytest.mark.parametrize("status", [Status.DELETED, Status.EXPIRED])
def test_a_job_that_is_gone_has_completed_nothing(status: Status) -> None:
    progress = job_progress("j", answer(ACTS, status), FILM)
    assert progress["completed_stages"] == []
    assert progress["checkpoints"] == []
    assert progress["failures"] == []
    assert progress["last_stage"] is None
    assert progress["status"] == status.value


def test_a_job_that_never_existed_has_all_before_it() -> None:
    progress = job_progress("j", answer([], Status.UNKNOWN), FILM)
    assert progress["remaining_stages"] == ["cut", "mix", "export"]
    assert progress["status"] == "never existed"


def test_a_job_of_an_open_pipeline_is_never_complete() -> None:
    assert not job_progress("j", answer(ACTS), OPEN)["is_complete"]
