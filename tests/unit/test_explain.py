"""What is said of a job's stages, and of what a run would do, from its events alone."""

from histories import FILM, MemoryLog
from msgspec import Raw

from checkpoint.events.event import (
    JobClaimed,
    JobDeleted,
    JobForked,
    JobRewound,
    StageCompleted,
    StageFailed,
)
from checkpoint.projector.fold import NOTHING, fold_all
from checkpoint.query.history.explain import Plan, explain
from checkpoint.query.history.record import StageRecord, stage_records
from checkpoint.query.listing.summary import Known, summarize
from checkpoint.query.lookup import Status
from checkpoint.query.pipeline import OPEN, Pipeline


def completed(stage: str, took_ms: int = 0, job: str = "j") -> StageCompleted:
    return StageCompleted(job=job, stage=stage, pipeline="film", took_ms=took_ms)


def failed(stage: str, took_ms: int = 0) -> StageFailed:
    return StageFailed(
        job="j", stage=stage, pipeline="film", took_ms=took_ms, error="OSError", message="no"
    )


def known(log: MemoryLog, status: Status = Status.LIVE) -> Known:
    return Known(fold_all(NOTHING, log.of("j")), status, "")


def plan(log: MemoryLog, pipeline: Pipeline = FILM, status: Status = Status.LIVE) -> Plan:
    return explain("j", known(log, status), log.of("j"), pipeline)


def stages(log: MemoryLog, pipeline: Pipeline = FILM) -> dict[str, StageRecord]:
    return {one["stage"]: one for one in stage_records(known(log), log.of("j"), pipeline)}


def test_completed_stages_are_skipped_by_their_entry_and_the_rest_is_run() -> None:
    log = MemoryLog()
    cut = log.append(completed("cut", took_ms=2000))
    mix = log.append(completed("mix", took_ms=500), pass_ms=10_000)
    found = plan(log)
    assert [(step["stage"], step["action"]) for step in found["steps"]] == [
        ("cut", "skip"),
        ("mix", "skip"),
        ("export", "run"),
    ]
    first = found["steps"][0]
    assert (first["id"], first["version"], first["time"]) == (str(cut.id), 1, cut.id.time)
    assert found["steps"][1]["id"] == str(mix.id)
    assert found["steps"][2]["why"] == "not completed"
    assert found["resume_from_stage"] == "export"
    assert (found["saved_ms"], found["is_measured"]) == (2500, True)


def test_a_duration_that_nobody_measured_is_the_time_since_the_event_before() -> None:
    log = MemoryLog()
    log.append(JobClaimed(job="j", owner="w", lease_ms=1000))
    log.append(completed("cut"), pass_ms=3000)
    log.append(completed("mix", took_ms=1000), pass_ms=9000)
    found = stages(log)
    assert (found["cut"]["took_ms"], found["cut"]["is_measured"]) == (3000, False)
    assert (found["mix"]["took_ms"], found["mix"]["is_measured"]) == (1000, True)
    assert (plan(log)["saved_ms"], plan(log)["is_measured"]) == (4000, False)


def test_nothing_tells_how_long_a_jobs_first_stage_took_unless_it_says_so() -> None:
    log = MemoryLog()
    log.append(completed("cut"))
    assert stages(log)["cut"]["took_ms"] is None
    assert plan(log)["saved_ms"] == 0


def test_what_a_fork_copied_took_no_time_of_its_own() -> None:
    log = MemoryLog()
    log.append(JobForked(job="j", source="i", incarnation="1-0", version=7))
    log.append(completed("cut"))
    log.append(completed("mix", took_ms=1500))
    assert stages(log)["cut"]["took_ms"] is None
    assert stages(log)["mix"]["took_ms"] == 1500


def test_a_failed_stage_is_run_again_and_the_plan_says_why() -> None:
    log = MemoryLog()
    log.append(completed("cut"))
    log.append(failed("mix"))
    assert plan(log)["steps"][1]["why"] == "failed once, the last time with OSError: no"
    log.append(failed("mix"))
    assert plan(log)["steps"][1]["why"] == "failed 2 times, the last time with OSError: no"
    assert stages(log)["mix"]["status"] == "failed"
    assert stages(log)["mix"]["failures"] == 2


def test_a_stage_that_was_completed_in_the_end_is_skipped() -> None:
    log = MemoryLog()
    log.append(failed("cut", took_ms=9000))
    log.append(completed("cut", took_ms=1000))
    record = stages(log)["cut"]
    assert (record["status"], record["failures"], record["took_ms"]) == ("done", 1, 1000)
    assert (record["error"], record["message"]) == ("OSError", "no")
    assert (plan(log)["steps"][0]["action"], plan(log)["saved_ms"]) == ("skip", 1000)


def test_a_failure_of_a_stage_that_is_done_takes_nothing_from_its_checkpoint() -> None:
    log = MemoryLog()
    log.append(completed("cut", took_ms=1000))
    log.append(failed("cut", took_ms=5000))
    assert plan(log)["steps"][0]["took_ms"] == 1000


def test_a_rewound_stage_is_run_and_the_plan_says_by_which_version() -> None:
    log = MemoryLog()
    for stage in FILM.stages:
        log.append(completed(stage))
    log.append(JobRewound(job="j", stage="mix", stages=("mix", "export")))
    assert [step["why"] for step in plan(log)["steps"]] == [
        "completed",
        "rewound at version 4",
        "rewound at version 4",
    ]
    assert plan(log)["resume_from_stage"] == "mix"
    assert stages(log)["mix"]["status"] == "pending"


def test_a_complete_job_has_nothing_left_to_run() -> None:
    log = MemoryLog()
    for stage in FILM.stages:
        log.append(completed(stage))
    assert plan(log)["resume_from_stage"] is None


def test_a_job_that_is_gone_runs_from_the_start() -> None:
    log = MemoryLog()
    log.append(completed("cut", took_ms=1000))
    found = plan(log, status=Status.EXPIRED)
    assert {step["action"] for step in found["steps"]} == {"run"}
    assert found["steps"][0]["why"] == "the job has expired"
    assert (found["resume_from_stage"], found["saved_ms"]) == ("cut", 0)
    why = plan(log, status=Status.DELETED)["steps"][0]["why"]
    assert why == "the job was deleted at version 1"


def test_of_a_job_that_is_over_there_is_what_it_had_and_nothing_to_come() -> None:
    log = MemoryLog()
    log.append(completed("cut", took_ms=1000))
    log.append(failed("mix"))
    expired = stage_records(known(log, Status.EXPIRED), log.of("j"), FILM)
    log.append(JobDeleted(job="j"))
    deleted = stage_records(known(log, Status.DELETED), log.of("j"), FILM)
    for found, status in ((expired, "expired"), (deleted, "deleted")):
        assert [(one["stage"], one["status"], one["is_completed"]) for one in found] == [
            ("cut", status, True),
            ("mix", status, False),
        ]
    assert (deleted[0]["took_ms"], deleted[1]["message"]) == (1000, "no")
    plans = plan(log, status=Status.DELETED)["steps"]
    assert [(step["stage"], step["action"]) for step in plans] == [
        ("cut", "run"),
        ("mix", "run"),
        ("export", "run"),
    ]


def test_without_declared_stages_the_plan_has_those_that_the_job_has_been_at() -> None:
    log = MemoryLog()
    log.append(completed("mix"))
    log.append(failed("cut"))
    found = plan(log, OPEN)
    assert not found["is_declared"]
    assert [(step["stage"], step["action"]) for step in found["steps"]] == [
        ("mix", "skip"),
        ("cut", "run"),
    ]


def test_stages_come_in_the_declared_order_and_unknown_ones_after_them() -> None:
    log = MemoryLog()
    log.append(completed("extra"))
    log.append(completed("export"))
    assert list(stages(log)) == ["cut", "mix", "export", "extra"]


def test_the_size_of_a_stage_is_that_of_its_data() -> None:
    log = MemoryLog()
    log.append(StageCompleted(job="j", stage="cut", data=Raw(b'{"n":1}')))
    assert stages(log)["cut"]["bytes"] == 7


def test_a_summary_tells_the_latest_stage_event() -> None:
    log = MemoryLog()
    log.append(failed("cut"))
    pipelines = {"film": FILM}
    assert summarize("j", known(log), pipelines)["status"] == "failed"
    log.append(completed("cut"))
    summary = summarize("j", known(log), pipelines)
    assert (summary["status"], summary["stage"], summary["error"]) == ("running", "cut", None)
    assert summary["failures"] == 1
