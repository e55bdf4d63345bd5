"""What an answer of a manager says, as it is recorded. Pure."""

from collections.abc import Sequence
from typing import Any

from checkpoint.query.progress import JobProgress
from checkpoint.query.replay import HistoryEvent
from checkpoint.query.resume import ResumePoint

STAGES = tuple(f"stage-{number}" for number in range(6))

QUESTIONS = ("get_resume_point", "get_job_progress", "load", "is_completed", "get_job_history")
OF_A_STAGE = {"load", "is_completed"}


def arguments(op: str, job: str, stage: str) -> Sequence[str]:
    """Return what a question's method takes."""
    return (job, stage) if op in OF_A_STAGE else (job,)


def said(op: str, stage: str, answer: Any) -> dict[str, Any]:
    """Return what is recorded of an answer."""
    readers = {
        "get_resume_point": _point,
        "get_job_progress": _progress,
        "get_job_history": _history,
    }
    if op == "is_completed":
        return {"stage": stage, "done": answer}
    if op == "load":
        loaded = _data({stage: answer}) if answer is not None else {}
        return {"stage": stage, "done": answer is not None, **loaded}
    return readers[op](answer)


def _point(point: ResumePoint | None) -> dict[str, Any]:
    if point is None:
        return {}
    told = _data(point["stage_data"])
    return {**told, "jobs": [point["job_id"], *told["jobs"]], "source": point["source"]}


def _progress(progress: JobProgress) -> dict[str, Any]:
    return {
        "stages": dict.fromkeys(progress["completed_stages"], ""),
        "jobs": [progress["job_id"]],
        "status": progress["status"],
        "source": progress["source"],
    }


def _history(events: Sequence[HistoryEvent]) -> dict[str, Any]:
    return {"ids": [one["id"] for one in events], "jobs": [one["event"]["job"] for one in events]}


def _data(stages: dict[str, Any]) -> dict[str, Any]:
    return {
        "stages": {stage: str(one.get("mark", "")) for stage, one in stages.items()},
        "jobs": [str(one.get("job", "")) for one in stages.values()],
    }
