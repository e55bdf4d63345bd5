"""One job on the page: what it is now, its timeline, and its state at any version. Pure."""

from typing import Any

import msgspec

from checkpoint.events import codec
from checkpoint.events.entry_id import utc
from checkpoint.events.event import JobForked, StageCompleted
from checkpoint.projector.fold import Checkpoint, JobState
from checkpoint.query.pipeline import Pipeline

from .sheet import JobSheet, Life
from .timeline import described, timeline

MOST_EVENTS = 1000
"""Events shown of one life, the latest; the slider goes through all."""
MOST_CHARACTERS = 50_000
"""Of a stage's data on the page; the rest is for the download."""


def described_job(sheet: JobSheet, life: Life) -> dict[str, Any]:
    """Describe one life of a job, and name the others."""
    state = life.state
    is_last = life is sheet.lives[-1]
    ended = "deleted" if state.deleted else "expired"
    entries = life.entries[-MOST_EVENTS:]
    return {
        "job_id": sheet.summary["job_id"],
        "status": sheet.summary["status"] if is_last else ended,
        "note": sheet.note,
        "pipeline": state.pipeline,
        "owner": sheet.summary["owner"] if is_last else "",
        "forked_from": state.source,
        "source_job": source_job(life),
        "version": state.version,
        "started_at": life.incarnation.time,
        "last_event_at": state.id.time,
        "expires_at": utc(state.expires_ms),
        "is_last_life": is_last,
        "life": str(life.incarnation),
        "lives": [
            {"life": str(one.incarnation), "started_at": one.incarnation.time}
            for one in sheet.lives
        ],
        "missing": life.missing,
        "lost": [{"first": one.first, "last": one.last} for one in life.lost],
        "stages": stages(life, sheet.pipeline),
        "left_out": len(life.entries) - len(entries),
        "events": [
            {"id": str(one.id), "at": one.id.time, "version": one.version, "what": described(one)}
            for one in entries
        ],
        "timeline": timeline(entries, sheet.pipeline) if entries else None,
    }


def source_job(life: Life) -> str:
    """Name the job of this log that a life was forked from, "" for none."""
    event = life.entries[0].event if life.entries else None
    return event.source if isinstance(event, JobForked) and not event.log else ""


def stages(life: Life, pipeline: Pipeline) -> list[dict[str, Any]]:
    """Describe the stages of a job in their order, those to come included."""
    state = life.state
    names = pipeline.in_order({*state.checkpoints, *state.failures})
    return [_stage(state, stage) for stage in dict.fromkeys([*pipeline.stages, *names])]


def _stage(state: JobState, stage: str) -> dict[str, Any]:
    done, failure = state.checkpoints.get(stage), state.failures.get(stage)
    is_failed = failure is not None and (done is None or failure.id > done.id)
    event = _event(done)
    nothing = "deleted" if state.deleted else "pending"
    return {
        "stage": stage,
        "status": "failed" if is_failed else "done" if done else nothing,
        "version": done.version if done else None,
        "completed_at": done.id.time if done else None,
        "took_ms": event.took_ms if event else 0,
        "bytes": len(bytes(event.data)) if event else 0,
        "failures": failure.attempts if failure else 0,
        "error": f"{failure.error}: {failure.message}" if failure else "",
    }


def state_at(sheet: JobSheet, life: Life, version: int) -> dict[str, Any]:
    """Describe a job's state as it was at a version of one of its lives."""
    state = life.at(version)
    entry = next((one for one in life.entries if one.version == version), None)
    order = sheet.pipeline.in_order(state.checkpoints)
    return {
        "version": version,
        "at": entry.id.time if entry else None,
        "what": described(entry) if entry else "this version is on no record",
        "owner": state.owner,
        "deleted": state.deleted,
        "stages": [_data(stage, state.checkpoints[stage]) for stage in order],
        "failures": [
            {"stage": stage, "failures": one.attempts, "error": f"{one.error}: {one.message}"}
            for stage, one in state.failures.items()
        ],
    }


def _data(stage: str, done: Checkpoint) -> dict[str, Any]:
    event = _event(done)
    text = data_text(event)
    return {
        "stage": stage,
        "version": done.version,
        "bytes": len(bytes(event.data)) if event else 0,
        "text": text[:MOST_CHARACTERS],
        "is_cut": len(text) > MOST_CHARACTERS,
    }


def data_text(event: StageCompleted | None) -> str:
    """Lay a stage's data out for reading. Numbers stay as they were written, however large."""
    return msgspec.json.format(bytes(event.data), indent=2).decode() if event else ""


def data_of_version(life: Life, version: int) -> StageCompleted | None:
    """Return the event that completed a stage at a version; None where that one did not."""
    for entry in life.entries:
        if entry.version == version and isinstance(entry.event, StageCompleted):
            return entry.event
    return None


def _event(done: Checkpoint | None) -> StageCompleted | None:
    if done is None or not done.encoded:
        return None
    event = codec.decode(done.encoded)
    return event if isinstance(event, StageCompleted) else None
