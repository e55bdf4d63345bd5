"""Time travel that acts, as steps: a job goes back to an earlier stage, or another begins there.

Nothing is taken out of the log: rewinding is an event, and so is being a fork.
"""

from collections.abc import Sequence
from itertools import dropwhile

from msgspec.structs import replace

from checkpoint.events import codec
from checkpoint.events.append import Request, made_up_key
from checkpoint.events.errors import JobNotLive, PayloadTooLarge, UnknownStage, VersionConflict
from checkpoint.events.event import AnyEvent, JobForked, JobRewound, StageCompleted
from checkpoint.events.names import check_name
from checkpoint.events.steps import Steps
from checkpoint.projector.fold import JobState
from checkpoint.query.lookup import Answer, Status, look_up_past, no_such_job
from checkpoint.query.pipeline import Pipeline, declared

from .answers import ask
from .core import Core

TRIES = 5
"""How often a job is looked at anew that went on between the look and the append."""

FATES = {
    Status.DELETED: "was deleted",
    Status.EXPIRED: "has expired",
}

MAX_EVENTS = 10_000
MAX_BYTES = 64 * 1024 * 1024
"""What one call may carry. Redis answers nobody else while it appends them: about 0.4 s for that
many events."""


def rewind(
    core: Core, job: str, stage: str, *, order: Sequence[str] = (), version: int | None = None
) -> Steps[list[str]]:
    """Let a stage and all after it be done again; return those of them that had been tried.

    Where none had been, nothing is appended. The order is the one given, or the pipeline's
    declared one, or else the one in which the stages were done. A job that goes on meanwhile is
    looked at anew; with `version`, it must be at that one. JobNotLive, UnknownStage, JobClaimed,
    StaleClaim, VersionConflict.
    """
    for left in reversed(range(1 if version is not None else TRIES)):
        state, stages = yield from to_rewind(core, job, stage, order)
        if not stages:
            return []
        request = Request(
            JobRewound(job=job, stage=stage, stages=tuple(stages), ttl_ms=ttl_ms_of(state)),
            kind="rewind",
            token=core.token,
            expected_version=state.version if version is None else version,
        )
        try:
            yield from core.append([request], None)
        except VersionConflict:
            if not left:
                raise
        else:
            return stages
    raise AssertionError  # the last try returns or raises


def fork(
    core: Core, job: str, new: str, at: str | None = None, *, version: int | None = None
) -> Steps[list[str]]:
    """Begin a job with another's checkpoints, up to and with stage `at`; return their stages.

    The whole fork is one call, so it is there entirely or not at all. The source's failures,
    claims and idempotency keys stay its own. With `version`, the source must be at that one.
    JobNotLive; UnknownStage where `at` is not completed; VersionConflict where `new` lives already.
    """
    state, stages = yield from to_fork(core, job, at, new)
    if version not in (None, state.version):
        raise VersionConflict(f"Job {job!r} is at version {state.version}, not at {version}")
    origin = JobForked(
        job=new,
        ttl_ms=ttl_ms_of(state),
        source=job,
        incarnation=str(state.incarnation),
        version=state.version,
    )
    events = [_again(new, state, stage) for stage in stages]
    yield from begin(core, origin, events)
    return stages


def to_delete(core: Core, job: str) -> Steps[JobState | None]:
    """Look at a job that is to be deleted; None where it has no live checkpoints.

    JobNotLive where there never was such a job.
    """
    answer = yield from _known(core, job)
    return answer.state if answer.status is Status.LIVE else None


def to_rewind(
    core: Core, job: str, stage: str, order: Sequence[str] = ()
) -> Steps[tuple[JobState, list[str]]]:
    """Look at a job and say which of its stages a rewind would let be done again."""
    check_name("stage", stage)
    state = yield from _live_state(core, job)
    stages = from_stage(job, state, order or (yield from _order(core, state)), stage)
    return state, stages


def to_fork(core: Core, job: str, at: str | None, new: str) -> Steps[tuple[JobState, list[str]]]:
    """Look at a job and say which of its stages a fork would begin with."""
    if check_name("job", new) == job:
        raise VersionConflict(f"Job {job!r} cannot be forked to itself: name another")
    state = yield from _live_state(core, job)
    return state, up_to(job, state, (yield from _order(core, state)), at)


def begin(core: Core, origin: JobForked, events: Sequence[AnyEvent]) -> Steps[None]:
    """Append a fork's first events in one call, as its own: they are there all, or none is.

    VersionConflict where the job lives already; PayloadTooLarge.
    """
    own = [replace(one, job=origin.job, ttl_ms=origin.ttl_ms, key="", trace="") for one in events]
    requests = [_new(event) for event in (origin, *own)]
    size = sum(len(codec.encode(request.event)) for request in requests)
    if len(requests) > MAX_EVENTS or size > MAX_BYTES:
        raise PayloadTooLarge(
            f"Job {origin.job!r} would begin with {len(requests):,} events of {size:,} bytes, and "
            f"one call carries at most {MAX_EVENTS:,} of {MAX_BYTES:,} bytes"
        )
    try:
        yield from core.append(requests, None)
    except VersionConflict as error:
        raise VersionConflict(
            f"Job {origin.job!r} lives already: delete it first, or name another"
        ) from error


def from_stage(job: str, state: JobState, order: Sequence[str], stage: str) -> list[str]:
    """Say which of the stages that were tried are `stage` or come after it. Pure."""
    tried = dict.fromkeys([*state.checkpoints, *state.failures])
    if order:
        Pipeline(state.pipeline, order).check(stage)
    elif stage not in tried:
        raise UnknownStage(f"Job {job!r} has not tried the stage {stage!r}: {_those(list(tried))}")
    coming = dropwhile(lambda one: one != stage, order or tried)
    return [one for one in coming if one in tried]


def up_to(job: str, state: JobState, order: Sequence[str], at: str | None) -> list[str]:
    """Say which of the completed stages are `at` or come before it; all without `at`. Pure."""
    stages = Pipeline(state.pipeline, order).in_order(state.checkpoints)
    if at is None:
        return stages
    if at not in stages:
        raise UnknownStage(f"Job {job!r} has not completed the stage {at!r}: {_those(stages)}")
    return stages[: stages.index(at) + 1]


def ttl_ms_of(state: JobState) -> int:
    """Return how long the job lives after its latest event, in milliseconds."""
    return state.expires_ms - state.id.ms


def _known(core: Core, job: str) -> Steps[Answer]:
    # acts on the answer, so it never comes from an archive that may lag behind the log
    answer = yield from ask(core, job, look=look_up_past, from_archive=False)
    if answer.status is Status.UNKNOWN:
        raise no_such_job(job, has_archive=core.settings.postgres_url is not None)
    return answer


def _live_state(core: Core, job: str) -> Steps[JobState]:
    answer = yield from _known(core, job)
    if answer.status is not Status.LIVE:
        raise JobNotLive(f"Job {job!r} has no live checkpoints: it {FATES[answer.status]}")
    return answer.state


def _order(core: Core, state: JobState) -> Steps[tuple[str, ...]]:
    """Find the stages that the job's pipeline declares; none where it is open."""
    if core.pipeline.stages:
        return core.pipeline.stages
    known = yield from declared(core.settings.namespace)
    return known[state.pipeline].stages if state.pipeline in known else ()


def _again(job: str, state: JobState, stage: str) -> AnyEvent:
    done = state.checkpoints[stage]
    return StageCompleted(
        job=job, stage=stage, pipeline=state.pipeline, took_ms=done.took_ms, data=done.data
    )


def _those(stages: Sequence[str]) -> str:
    return f"those are {', '.join(stages)}" if stages else "there are none"


def _new(event: AnyEvent) -> Request:
    """Make a request under a key that the log remembers as long as the job lives.

    So a call that is sent again is known however many events it has.
    """
    return Request(event, kind="fork", key=made_up_key(), expected_version=0)
