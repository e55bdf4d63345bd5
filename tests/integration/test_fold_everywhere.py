"""The sentence that holds all together: view == fold(log) == fold(archive), for every job."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import count
from random import Random
from typing import Any

import pytest
from histories import FILM, JOBS, STAGES, Act, Model, histories, request_of
from hypothesis import HealthCheck, given, note
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from real_log import RealLog, projecting

from checkpoint import CheckpointManager
from checkpoint.events.entry_id import ZERO
from checkpoint.events.errors import IncarnationEnded
from checkpoint.events.settings import Settings
from checkpoint.projector.fold import NOTHING, fold_all
from checkpoint.query.status import LIVE_STATUSES

server_test = hypothesis_settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
logs = count()


@contextmanager
def new_log(settings: Settings) -> Iterator[RealLog]:
    """Create a log for one example, beside those of the others."""
    with closing(RealLog(replace(settings, namespace=f"{settings.namespace}_{next(logs)}"))) as log:
        yield log


def happen(log: RealLog, act: Act, model: Model) -> None:
    """Let an act happen in the log, and to the model if it was accepted."""
    if act.kind == "delete" and (model.deleted or not model.version):
        with pytest.raises(IncarnationEnded):
            log.append(request_of(act))
        return
    log.append(request_of(act))
    model.happen(act)


def sizes(dice: Random, most: int = 12) -> Iterator[int]:
    while True:
        yield dice.randint(1, most)


def project_some(log: RealLog, dice: Random) -> None:
    """Apply a slice or two of a partition, perhaps once more than needed."""
    number = dice.choice(log.numbers)
    after = dice.choice([log.position(number), ZERO])
    part = log.slice(number, after, dice.randint(1, 30))
    with projecting(log.settings) as apply:
        for _ in range(dice.randint(1, 2)):
            if part:
                apply(part)


def store_some(log: RealLog, dice: Random) -> None:
    """Store a chapter or two of a partition, perhaps once more than needed."""
    number = dice.choice(log.numbers)
    archive = log.archive()
    after = dice.choice([archive.positions()[number], ZERO])
    chapters = log.chapters(number, sizes(dice), after)
    archive.store([part for part, _ in zip(chapters, range(2), strict=False)])
    archive.close()


def finish(log: RealLog, dice: Random) -> None:
    """Bring view and archive up to the log, in slices and chapters of any size."""
    archive = log.archive()
    with projecting(log.settings) as apply:
        for number in log.numbers:
            for part in log.slices(number, sizes(dice, 40), log.position(number)):
                assert apply(part) == part.last
            position = archive.positions()[number]
            for chapter in log.chapters(number, sizes(dice, 40), position):
                archive.store([chapter])
    archive.close()


@server_test
@given(acts=histories(max_size=24), dice=st.builds(Random, st.integers(0, 2**32)))
def test_at_every_moment_a_resume_is_right_whatever_view_and_archive_have(
    archived_settings: Settings, acts: list[Act], dice: Random
) -> None:
    models = {job: Model() for job in JOBS}
    with (
        new_log(archived_settings) as log,
        CheckpointManager(log.settings, pipeline=FILM) as manager,
    ):
        for act in acts:
            happen(log, act, models[act.job])
            match dice.choice(["go on", "project", "store", "ask", "lose a view"]):
                case "project":
                    project_some(log, dice)
                case "store":
                    store_some(log, dice)
                case "ask":
                    check_resume(manager, act.job, models[act.job])
                case "lose a view":
                    log.client.delete(log.keys(act.job).view)
        for job, model in models.items():
            check_resume(manager, job, model)
        finish(log, dice)
        for job, model in models.items():
            check_resume(manager, job, model)
            assert log.view(job) in (log.fold(job), NOTHING)  # a lost view stays so for a life


@server_test
@given(
    acts=histories(("complete", "complete", "fail", "rewind", "delete", "claim", "release")),
    dice=st.builds(Random, st.integers(0, 2**32)),
)
def test_view_log_and_archive_fold_to_the_same_state(
    archived_settings: Settings, acts: list[Act], dice: Random
) -> None:
    models = {job: Model() for job in JOBS}
    with new_log(archived_settings) as log, closing(log.archive()) as archive:
        for act in acts:
            happen(log, act, models[act.job])
            if dice.random() < 0.2:
                project_some(log, dice)
        finish(log, dice)
        for job, model in models.items():
            note(f"{job}: {model}")
            folded = log.fold(job)
            assert log.view(job) == folded
            assert fold_all(NOTHING, archive.job_entries(job)[0]) == folded
            assert (folded.version, folded.deleted) == (model.version, model.deleted)
            assert [one.encoded for one in archive.job_entries(job)[0]] == [
                entry.encoded
                for entry in log.entries(job)
                if entry.incarnation == folded.incarnation
            ]


def check_resume(manager: CheckpointManager, job: str, model: Model) -> None:
    """Compare every answer about a job with what the model expects."""
    point: Any = manager.get_resume_point(job)
    expected = {stage: model.stages[stage] for stage in STAGES if stage in model.stages}
    if not expected:
        assert point is None
    else:
        assert repr(point["stage_data"]) == repr(expected)
        assert point["last_completed_stage"] == list(expected)[-1]
        missing = [stage for stage in STAGES if stage not in expected]
        assert point["is_complete"] == (not missing)
        assert not missing or point["resume_from_stage"] == missing[0]
    progress = manager.get_job_progress(job)
    failures = {one["stage"]: one["attempts"] for one in progress["failures"]}
    assert failures == model.failures
    if not model.version or model.deleted:
        assert progress["status"] == ("deleted" if model.version else "never existed")
    elif not model.failures:
        assert progress["status"] == ("running" if progress["remaining_stages"] else "complete")
    else:
        assert progress["status"] in LIVE_STATUSES
