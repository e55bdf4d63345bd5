"""Answers: what a manager says of a job, wherever it is known, as steps."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from checkpoint.events.errors import LogNotReady, LogUnavailable
from checkpoint.events.freshness import Place
from checkpoint.events.names import check_name
from checkpoint.events.steps import Steps
from checkpoint.query.lookup import Answer, Source, ask_archive, look_up, look_up_past
from checkpoint.query.progress import JobProgress, job_progress
from checkpoint.query.replay import HistoryEvent, history_event, replay_archive, replay_job
from checkpoint.query.resume import ResumePoint, data_of, resume_point

from .core import Core
from .drain import drain, over_spooled
from .losses import name_losses

T = TypeVar("T")


def load(core: Core, job: str, stage: str, type: Any = None) -> Steps[Any]:  # noqa: A002 - public word
    """Find the data saved with a stage; None where there is none."""
    core.pipeline.check(stage)
    answer = yield from ask(core, job, stage)
    checkpoint = answer.live.checkpoints.get(stage)
    return None if checkpoint is None else data_of(checkpoint, type)


def is_completed(core: Core, job: str, stage: str) -> Steps[bool]:
    """Say whether a stage has a live checkpoint."""
    core.pipeline.check(stage)
    return stage in (yield from ask(core, job, stage)).live.checkpoints


def resume(core: Core, job: str) -> Steps[ResumePoint | None]:
    """Derive the job's resume point."""
    return resume_point(job, (yield from ask(core, job)), core.pipeline)


def progress(core: Core, job: str) -> Steps[JobProgress]:
    """Derive the job's progress, also of a job that is gone."""
    return job_progress(job, (yield from ask(core, job, look=look_up_past)), core.pipeline)


def history(core: Core, job: str) -> Steps[list[HistoryEvent]]:
    """Replay the job: every event of it that archive and log have."""
    check_name("job", job)
    place = yield from _place(core)
    if isinstance(place, Place):
        entries = yield from replay_job(place, job)
    else:
        entries = yield from _instead(core, place, replay_archive(job))
    return [history_event(entry) for entry in entries]


def ask(
    core: Core, job: str, stage: str = "", look: Callable[..., Steps[Answer]] = look_up
) -> Steps[Answer]:
    """Find the job's state, wherever it is known; what waits in the spool is part of it."""
    check_name("job", job)
    place = yield from _place(core)
    if isinstance(place, Place):
        found = look(place, job, stage)
    else:
        found = _instead(core, place, ask_archive(job))
    if core.spool:
        found = over_spooled(core.spool, job, stage, found)
    try:
        answer = yield from found
    except LogNotReady:
        core.log = None
        raise
    if isinstance(place, Place) and answer.source in {Source.VIEW, Source.LOG}:
        core.acknowledged.compare(job, answer.state)
        if core.acknowledged.is_doubtful:
            yield from name_losses(core, place, core.deadline())
    return answer


def _place(core: Core) -> Steps[Place | LogUnavailable]:
    """Say where to look, or why the log cannot be asked."""
    try:
        if core.spool:
            with suppress(LogUnavailable):  # where Redis takes no more, it still answers
                yield from drain(core, core.spool, core.deadline())
        return core.place((yield from core.open()))
    except LogUnavailable as error:
        return error


def _instead(core: Core, away: LogUnavailable, archived: Steps[T]) -> Steps[T]:
    """Ask the archive instead of the log, if there is one."""
    if core.settings.postgres_url is None:
        raise away
    return (yield from archived)
