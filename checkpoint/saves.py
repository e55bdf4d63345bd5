"""Saves, failures and deletions: the events that a manager's calls append, as steps."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from checkpoint.events import payload
from checkpoint.events.append import Appended, Request
from checkpoint.events.errors import CheckpointError, IncarnationEnded, InvalidSettings
from checkpoint.events.event import (
    MESSAGE_CHARACTERS,
    JobDeleted,
    StageCompleted,
    StageFailed,
    StageInterrupted,
)
from checkpoint.events.names import check_name
from checkpoint.events.settings import CENTURY
from checkpoint.events.steps import Steps

from .core import Core
from .stage_block import message_of, traceback_of

INTERRUPTED_SECONDS = 1.0

StageData = tuple[str, str, Any]
"""A job, a stage, and the data to save."""


def save_many(
    core: Core,
    items: Iterable[StageData],
    *,
    ack: str | None = None,
    expected_version: int | None = None,
    key: str | None = None,
    took: float | None = None,
) -> Steps[list[Appended]]:
    """Append completed stages; the results come in the order of the items."""
    own_key = "" if key is None else check_name("key", key)
    completed = partial(
        StageCompleted,
        pipeline=core.pipeline.name,
        took_ms=milliseconds(took),
        ttl_ms=core.ttl_ms,
        key=own_key,
    )
    request = partial(Request, key=own_key, expected_version=expected_version, token=core.token)
    check, limit = core.pipeline.check, core.settings.max_payload
    requests = [
        request(
            completed(
                job=check_name("job", job),
                stage=check(stage),
                data=payload.encode(data, limit),
            )
        )
        for job, stage, data in items
    ]
    return (yield from core.append(requests, ack))


def fail(
    core: Core, job: str, stage: str, error: BaseException, took: float | None = None
) -> Steps[Appended]:
    """Append that an attempt at a stage failed, or was interrupted.

    An exception that is no `Exception` interrupts: Ctrl-C, an exit, a cancelled task. The process
    is about to end, so appending it takes at most INTERRUPTED_SECONDS.
    """
    attempt: dict[str, Any] = {
        "job": check_name("job", job),
        "stage": core.pipeline.check(stage),
        "pipeline": core.pipeline.name,
        "took_ms": milliseconds(took),
        "ttl_ms": core.ttl_ms,
    }
    kind, ended = payload.storable(type(error).__name__), core
    event: StageFailed | StageInterrupted
    if isinstance(error, Exception):
        message = message_of(error)[:MESSAGE_CHARACTERS]
        event = StageFailed(**attempt, error=kind, message=message, traceback=traceback_of(error))
    else:
        event = StageInterrupted(**attempt, reason=kind)
        ended = core.with_timeout(min(core.settings.timeout, INTERRUPTED_SECONDS))
    return (yield from ended.append([Request(event, token=core.token)], "log"))[0]


def delete(core: Core, job: str, *, version: int | None = None) -> Steps[bool]:
    """End the job's incarnation, at `version` if one is named; False where none is live."""
    deleted = JobDeleted(job=check_name("job", job), ttl_ms=core.ttl_ms)
    request = Request(deleted, kind="delete", token=core.token, expected_version=version)
    try:
        yield from core.append([request], None)
    except IncarnationEnded:
        return False
    return True


def milliseconds(took: float | None) -> int:
    """Turn the seconds that a stage took into what its event says; InvalidSettings."""
    if took is None:
        return 0
    if not 0 <= took <= CENTURY:
        raise InvalidSettings(f"took={took!r}: it is a number of seconds, 0 or more")
    return max(1, round(took * 1000))


@contextmanager
def noted(error: BaseException) -> Iterator[None]:
    """Let `error` go on alone if recording it fails too, with a note that says so."""
    try:
        yield
    except CheckpointError as second:
        error.add_note(f"The failure could not be recorded: {second}")
