"""One job on the page: what it is now, its timeline, and its state at any version. Pure."""

from typing import Any

import msgspec
from msgspec import Raw

from checkpoint.events.event import JobForked, StageCompleted
from checkpoint.projector.fold import Checkpoint
from checkpoint.query.history.record import stage_records
from checkpoint.query.listing.summary import summarize

from .sheet import JobSheet, Life
from .timeline import described, timeline

MOST_EVENTS = 1000
"""Events shown of one life, the latest; the slider goes through all."""
MOST_CHARACTERS = 50_000
"""Of a stage's data on the page; the rest is for the download."""


def described_job(sheet: JobSheet, life: Life) -> dict[str, Any]:
    """Describe one life of a job, and name the others."""
    known = sheet.known_of(life)
    entries = life.entries[-MOST_EVENTS:]
    return {
        **summarize(sheet.job, known, {sheet.pipeline.name: sheet.pipeline}),
        "note": sheet.note,
        "source_job": source_job(life),
        "is_last_life": life is sheet.lives[-1],
        "lives": [
            {"incarnation": str(one.incarnation), "started_at": one.incarnation.time}
            for one in sheet.lives
        ],
        "missing": life.missing,
        "lost": [{"first": one.first, "last": one.last} for one in life.lost],
        "stages": stage_records(known, life.entries, sheet.pipeline),
        "left_out": len(life.entries) - len(entries),
        "events": [
            {"id": str(one.id), "time": one.id.time, "version": one.version, "what": described(one)}
            for one in entries
        ],
        "timeline": timeline(entries, sheet.pipeline) if entries else None,
    }


def source_job(life: Life) -> str:
    """Name the job of this log that a life was forked from, "" for none."""
    event = life.entries[0].event if life.entries else None
    return event.source if isinstance(event, JobForked) and not event.log else ""


def state_at(sheet: JobSheet, life: Life, version: int) -> dict[str, Any]:
    """Describe a job's state as it was at a version of one of its lives."""
    state = life.at(version)
    entry = next((one for one in life.entries if one.version == version), None)
    order = sheet.pipeline.in_order(state.checkpoints)
    return {
        "version": version,
        "time": entry.id.time if entry else None,
        "what": described(entry) if entry else "this version is on no record",
        "owner": state.owner,
        "deleted": state.deleted,
        "stages": [_data(stage, state.checkpoints[stage]) for stage in order],
        "failures": [
            {
                "stage": stage,
                "failures": one.attempts,
                "error": one.error,
                "message": one.message,
            }
            for stage, one in state.failures.items()
        ],
    }


def _data(stage: str, done: Checkpoint) -> dict[str, Any]:
    text = data_text(done.data)
    return {
        "stage": stage,
        "version": done.version,
        "bytes": len(done.data),
        "text": text[:MOST_CHARACTERS],
        "is_cut": len(text) > MOST_CHARACTERS,
    }


def data_text(data: Raw) -> str:
    """Lay a stage's data out for reading. Numbers stay as they were written, however large."""
    return msgspec.json.format(bytes(data), indent=2).decode()


def data_of_version(life: Life, version: int) -> StageCompleted | None:
    """Return the event that completed a stage at a version; None where that one did not."""
    for entry in life.entries:
        if entry.version == version and isinstance(entry.event, StageCompleted):
            return entry.event
    return None
