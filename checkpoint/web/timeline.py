"""Timelines: when the attempts at a job's stages began and ended. Pure."""

from collections.abc import Sequence
from typing import TypedDict

from checkpoint.events.entry import Entry
from checkpoint.events.event import (
    EventsLost,
    JobClaimed,
    JobDeleted,
    JobForked,
    JobReleased,
    JobRenewed,
    JobRewound,
    StageCompleted,
    StageFailed,
    StageInterrupted,
)
from checkpoint.query.pipeline import Pipeline


class Attempt(TypedDict):
    """One attempt at a stage."""

    stage: str
    version: int
    outcome: str
    """done, failed, or copied: done by the job that this one was forked from."""
    begin_ms: int
    end_ms: int
    """Milliseconds since 1970."""
    is_measured: bool
    """Whether the pipeline said how long it took; else it is the time since the event before."""
    error: str


class Mark(TypedDict):
    """A moment in the life of a job."""

    at_ms: int
    version: int
    text: str


class Timeline(TypedDict):
    """What happened when, in milliseconds since 1970."""

    begin_ms: int
    end_ms: int
    stages: list[str]
    """Those with attempts, in the order of the pipeline."""
    attempts: list[Attempt]
    marks: list[Mark]


def timeline(entries: Sequence[Entry], pipeline: Pipeline) -> Timeline:
    """Derive the timeline of one incarnation from its entries, of which there is at least one."""
    attempts = [
        attempt
        for before, entry in zip([entries[0], *entries], entries, strict=False)
        if (attempt := _attempt(before, entry, entries[0]))
    ]
    return Timeline(
        begin_ms=min([entries[0].id.ms, *(one["begin_ms"] for one in attempts)]),
        end_ms=entries[-1].id.ms,
        stages=pipeline.in_order(dict.fromkeys(one["stage"] for one in attempts)),
        attempts=attempts,
        marks=[
            Mark(at_ms=entry.id.ms, version=entry.version, text=text)
            for entry in entries
            if (text := _moment(entry))
        ],
    )


def _attempt(before: Entry, entry: Entry, first: Entry) -> Attempt | None:
    event = entry.event
    if not isinstance(event, StageCompleted | StageFailed):
        return None
    # a fork's checkpoints were appended in the same call as its first event
    is_copied = isinstance(first.event, JobForked) and entry.id.ms == first.id.ms
    begin = entry.id.ms - event.took_ms if event.took_ms else before.id.ms
    failed = isinstance(event, StageFailed)
    return Attempt(
        stage=event.stage,
        version=entry.version,
        outcome="copied" if is_copied else "failed" if failed else "done",
        begin_ms=entry.id.ms if is_copied else begin,
        end_ms=entry.id.ms,
        is_measured=bool(event.took_ms),
        error=f"{event.error}: {event.message}" if isinstance(event, StageFailed) else "",
    )


def _moment(entry: Entry) -> str:
    return "" if isinstance(entry.event, StageCompleted | StageFailed) else described(entry)


def described(entry: Entry) -> str:  # noqa: C901, PLR0911 - one for each kind of event
    """Say in a few words what an entry's event was."""
    match entry.event:
        case StageCompleted(stage=stage):
            return f"{stage} completed"
        case StageFailed(stage=stage, error=error, message=message):
            return f"{stage} failed: {error}: {message}"
        case StageInterrupted(stage=stage, reason=reason):
            return f"{stage} interrupted: {reason}"
        case JobRewound(stage=stage):
            return f"rewound to {stage}"
        case JobForked(source=source, version=version):
            return f"forked from {source} v{version}"
        case EventsLost(first=first, last=last):
            return f"versions {first} to {last} found to be lost by Redis"
        case JobDeleted():
            return "deleted"
        case JobClaimed(owner=owner):
            return f"claimed by {owner}"
        case JobRenewed():
            return "still held"
        case JobReleased():
            return "released"
