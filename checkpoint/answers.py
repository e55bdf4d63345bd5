"""Answers: the read side of a manager, as steps.

Redis is asked until half of the call's time is over, then the archive, if there is one. An archive
that knows nothing of the job, or less than this manager was told, does not answer: then Redis is
asked again until the deadline. So no answer is older than what its manager saw before.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any, Generic, NamedTuple, TypeVar

from checkpoint.events.append import log_lost
from checkpoint.events.entry import Entry
from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.errors import (
    ArchiveNotReady,
    ArchiveUnavailable,
    JobDamaged,
    LogNotReady,
    LogUnavailable,
)
from checkpoint.events.freshness import Place
from checkpoint.events.keys import partition_of
from checkpoint.events.names import check_name
from checkpoint.events.steps import AskArchive, Steps
from checkpoint.projector.fold import NOTHING
from checkpoint.query.lookup import (
    Answer,
    Source,
    Status,
    ask_archive,
    look_up,
    look_up_past,
    look_up_state,
)
from checkpoint.query.progress import JobProgress, job_progress
from checkpoint.query.replay import JobHistory, replay_archive, replay_job
from checkpoint.query.resume import ResumePoint, data_of, resume_point
from checkpoint.query.snapshot import JobSnapshot

from .core import Core
from .drain import drain, overlaid, waiting_events
from .losses import name_losses
from .retry import FIRST_PAUSE, retried

T = TypeVar("T")
Attempt = Callable[[float], Steps[T]]
"""A question to Redis, given its deadline by the monotonic clock."""


class _Archived(NamedTuple, Generic[T]):
    """An archive's answer, and how far it reaches."""

    value: T
    newest: EntryId
    """The newest entry of the job; ZERO where the archive knows nothing of it."""


def load(core: Core, job: str, stage: str, type: Any = None) -> Steps[Any]:  # noqa: A002 - public word
    """Find the data saved with a stage; None where there is none."""
    core.pipeline.check(stage)
    answer = yield from ask(core, job, stage)
    checkpoint = answer.live.checkpoints.get(stage)
    return None if checkpoint is None else data_of(checkpoint, type)


def is_completed(core: Core, job: str, stage: str) -> Steps[bool]:
    """Return whether a stage has a live checkpoint."""
    core.pipeline.check(stage)
    answer = yield from ask(core, job, stage, look=look_up_state)
    return stage in answer.live.checkpoints


def resume(core: Core, job: str) -> Steps[ResumePoint | None]:
    """Derive the job's resume point."""
    return resume_point(job, (yield from ask(core, job)), core.pipeline)


def progress(core: Core, job: str) -> Steps[JobProgress]:
    """Derive the job's progress, also of a job that is gone."""
    return job_progress(job, (yield from ask(core, job, look=look_up_past)), core.pipeline)


def snapshot(core: Core, job: str) -> Steps[JobSnapshot]:
    """Read the job's state with its status and source, also of a job that is gone."""
    return JobSnapshot(job, (yield from ask(core, job, look=look_up_past)), core.pipeline)


def history(core: Core, job: str) -> Steps[JobHistory]:
    """Replay the job: every event of it that archive and log have."""
    check_name("job", job)

    # annotations in quotes, here and in `ask`: CPython 3.11 crashes where a signal handler raises
    # while one with type arguments is made
    def logged(deadline: float) -> "Steps[JobHistory]":
        place = yield from _place(core, deadline)
        known = yield from _last_known(place, job)
        entries = yield from replay_job(place, job)
        if _newest(entries) < known:
            raise log_lost()
        _note(core, place.partitions, job, _newest(entries))
        return JobHistory.of(entries, Source.LOG)

    def archived() -> "Steps[_Archived[JobHistory]]":
        entries = yield from replay_archive(job)
        return _Archived(JobHistory.of(entries, Source.ARCHIVE), _newest(entries))

    return (yield from _first_answer(core, job, logged, archived))


def ask(
    core: Core,
    job: str,
    stage: str = "",
    look: Callable[..., Steps[Answer]] = look_up,
    *,
    from_archive: bool = True,
) -> Steps[Answer]:
    """Find the job's state, wherever it is known; what waits in the spool is part of it.

    Without `from_archive` the archive does not answer while Redis is away: for callers that act on
    the answer. LogUnavailable, LogNotReady.
    """
    check_name("job", job)

    def logged(deadline: float) -> "Steps[Answer]":
        place = yield from _place(core, deadline)
        waiting = yield from waiting_events(core.spool, job)
        answer = yield from look(place, job, stage)
        _note(core, place.partitions, job, answer.state.id)
        core.acknowledged.compare(job, answer.state)
        if core.acknowledged.is_doubtful:
            yield from name_losses(core, place, deadline)
        return overlaid(answer, waiting)

    def archived() -> "Steps[_Archived[Answer]]":
        waiting = yield from waiting_events(core.spool, job)
        answer = yield from ask_archive(job)
        return _Archived(overlaid(answer, waiting), answer.state.id)

    try:
        return (yield from _first_answer(core, job, logged, archived if from_archive else None))
    except (LogUnavailable, ArchiveUnavailable):
        waiting = yield from waiting_events(core.spool, job)
        answer = overlaid(Answer(NOTHING, Status.UNKNOWN, Source.SPOOL), waiting)
        if not (from_archive and _is_newest(core, job, stage, answer)):
            raise
        return answer


def _is_newest(core: Core, job: str, stage: str, spooled: Answer) -> bool:
    """Return whether what waits in the spool answers alone: of a stage, or of all that was seen."""
    if stage:
        return stage in spooled.live.checkpoints
    return bool(spooled.live.checkpoints or spooled.live.failures) and not core.last_seen.has(job)


def _first_answer(
    core: Core, job: str, logged: Attempt[T], archived: Callable[[], Steps[_Archived[T]]] | None
) -> Steps[T]:
    """Ask Redis, then the archive, then Redis again: see the module."""
    deadline = yield from core.deadline()
    try:
        if archived is None or core.settings.postgres_url is None:
            return (yield from _until(logged, deadline))
        try:
            return (yield from _until(logged, deadline - core.settings.timeout / 2))
        except LogUnavailable as away:
            try:
                return (yield from _trusted(core, job, archived, away))
            except (LogUnavailable, ArchiveUnavailable) as doubt:
                if deadline - monotonic() < FIRST_PAUSE:  # the archive has used the time up
                    raise doubt from away
                with suppress(LogUnavailable):
                    return (yield from _until(logged, deadline))
                raise doubt from away
    except LogNotReady:
        core.log = None
        raise


def _until(logged: Attempt[T], deadline: float) -> Steps[T]:
    return (yield from retried(lambda _: logged(deadline), deadline))


def _trusted(
    core: Core, job: str, archived: Callable[[], Steps[_Archived[T]]], away: LogUnavailable
) -> Steps[T]:
    """Ask the archive; LogUnavailable where its answer may lack what the log has."""
    try:
        # the positions first: what is archived later only adds to the answer
        positions = yield AskArchive(lambda archive: archive.positions())
        found = yield from archived()
    except ArchiveNotReady as error:
        raise LogUnavailable(f"{away}. {error}") from error
    if not positions or found.newest == ZERO:
        raise LogUnavailable(f"{away}. The archive knows nothing of job {job!r}, but the log may")
    partition = partition_of(job, len(positions))
    if not core.last_seen.is_covered(job, partition, found.newest, positions):
        raise LogUnavailable(
            f"{away}. The archive lacks what this process saved or read of job {job!r}"
        )
    return found.value


def _place(core: Core, deadline: float) -> Steps[Place]:
    """Open the log, with what waits in the spool sent to it; LogUnavailable."""
    if core.spool:
        with suppress(LogUnavailable):  # where Redis takes no more, it still answers
            yield from drain(core, core.spool, deadline)
    return core.place((yield from core.open()))


def _note(core: Core, partitions: int, job: str, entry: EntryId) -> None:
    if entry > ZERO:
        core.last_seen.note(job, partition_of(job, partitions), entry)


def _last_known(place: Place, job: str) -> Steps[EntryId]:
    """Return the id of a job's last entry; LogNotReady, which reading the log itself would not."""
    try:
        return (yield from look_up_state(place, job)).state.id
    except JobDamaged:
        return ZERO


def _newest(entries: Sequence[Entry]) -> EntryId:
    return entries[-1].id if entries else ZERO
