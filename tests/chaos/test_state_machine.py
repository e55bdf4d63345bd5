"""Random walks over the public API, with a model in memory that says what each step must do."""

import copy
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import pytest
from histories import STAGES, json_values
from hypothesis import HealthCheck, note
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)
from isolation import remove_namespace
from real_log import RealLog
from servers import NOWHERE

from checkpoint import (
    Appended,
    CheckpointError,
    CheckpointManager,
    ClaimedJob,
    JobClaimed,
    JobNotLive,
    LogNotReady,
    LogUnavailable,
    Settings,
    StaleClaim,
    VersionConflict,
)
from checkpoint.events.event import EventsLost
from checkpoint.projector.fold import NOTHING, fold_all
from checkpoint.query.status import LIVE_STATUSES
from checkpoint.restore import keep_whole

LONG = ("film-1", "film-2", "ünïcode/🎬")
BRIEF = ("brief-1", "brief-2")
JOBS = LONG + BRIEF
BRIEF_SECONDS = 0.5
"""How long the jobs called brief live after their latest event."""

LONG_SECONDS = 3600.0

jobs = st.sampled_from(JOBS)
stages = st.sampled_from(STAGES)
keys = st.sampled_from(("key-1", "key-2"))


@dataclass
class Job:
    """What a user expects of a job."""

    stages: dict[str, Any] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    keys: dict[str, Appended] = field(default_factory=dict)
    stage_of: dict[str, str] = field(default_factory=dict)
    """The stage that was saved under a key."""
    version: int = 0
    expires_ms: int = 0
    """0: never existed."""
    deleted: bool = False

    def complete(self, stage: str, data: Any) -> None:
        """Take note of a checkpoint."""
        self.stages[stage] = data

    def remember(self, key: str, stage: str, saved: Appended) -> None:
        """Take note of the key under which a stage was saved."""
        assert key not in self.keys
        self.keys[key] = saved
        self.stage_of[key] = stage

    def forget(self, again: list[str]) -> None:
        """Forget all that is known of stages that are to be done again."""
        for stage in again:
            self.stages.pop(stage, None)
            self.failures.pop(stage, None)
        for key in [one for one, stage in self.stage_of.items() if stage in again]:
            del self.keys[key], self.stage_of[key]

    def tried_from(self, stage: str) -> list[str]:
        """Return a stage and those after it, as far as they were completed or failed."""
        after = STAGES[STAGES.index(stage) :]
        return [one for one in after if one in self.stages or one in self.failures]

    def lives(self, now_ms: int) -> bool:
        """Say whether there is anything to resume at a time by Redis' clock."""
        return not self.deleted and self.expires_ms > now_ms

    def status(self, now_ms: int) -> str:
        """Say what the job is at a time by Redis' clock."""
        if not self.expires_ms:
            return "never existed"
        if self.deleted:
            return "deleted"
        return "live" if self.lives(now_ms) else "expired"


class Walk(RuleBasedStateMachine):
    """One log of its own, walked over at random."""

    servers: Settings

    def __init__(self) -> None:
        super().__init__()
        name = f"walk_{uuid4().hex[:12]}"
        self.settings = replace(self.servers, namespace=name, partitions=2, ttl=LONG_SECONDS)
        self.log = RealLog(self.settings)
        self.model = {job: Job() for job in JOBS}
        self.archived = copy.deepcopy(self.model)
        self.claims: dict[str, ClaimedJob] = {}
        self.stale: list[ClaimedJob] = []
        self._connect()

    def _connect(self) -> None:
        self.held = ExitStack()
        self.long = CheckpointManager(self.settings, pipeline=STAGES)
        brief = replace(self.settings, ttl=BRIEF_SECONDS)
        self.brief = CheckpointManager(brief, pipeline=STAGES)

    def manager(self, job: str) -> CheckpointManager:
        """Return who saves a job."""
        return self.brief if job in BRIEF else self.long

    def now_ms(self) -> int:
        """Return the time by Redis' clock."""
        seconds, micros = map(int, self.log.client.time())
        return seconds * 1000 + micros // 1000

    # What changes a job

    def appended(self, job: str, saved: Appended) -> Job:
        """Take note of an event: it begins a new life if the last one is over."""
        model = self.model[job]
        if not model.lives(saved.id.ms):
            model = self.model[job] = Job()
        ttl = BRIEF_SECONDS if job in BRIEF else LONG_SECONDS
        model.expires_ms = saved.id.ms + round(ttl * 1000)
        model.version += 1
        assert (saved.version, saved.repeated) == (model.version, False)
        return model

    def refused(self, job: str) -> bool:
        """Say whether somebody else holds a job."""
        return job in self.claims

    @rule(job=jobs, stage=stages, data=json_values)
    def save(self, job: str, stage: str, data: Any) -> None:
        if self.refused(job):
            with pytest.raises(JobClaimed):
                self.manager(job).save(job, stage, data)
            return
        saved = self.manager(job).save(job, stage, data)
        self.appended(job, saved).complete(stage, data)

    @rule(job=jobs, stage=stages, data=json_values, key=keys)
    def save_under_a_key(self, job: str, stage: str, data: Any, key: str) -> None:
        known = self.model[job].keys.get(key)
        if known is None and self.refused(job):
            with pytest.raises(JobClaimed):
                self.manager(job).save(job, stage, data, key=key)
            return
        saved = self.manager(job).save(job, stage, data, key=key)
        if saved.repeated:
            assert saved == known._replace(repeated=True) if known else None
            return
        model = self.appended(job, saved)
        model.remember(key, stage, saved)
        model.complete(stage, data)

    @rule(job=st.sampled_from(LONG), stage=stages, off=st.sampled_from([0, 0, 1, -1]))
    def save_expecting_a_version(self, job: str, stage: str, off: int) -> None:
        model = self.model[job]
        expected = (0 if model.deleted else model.version) + off
        if self.refused(job) or off:
            with pytest.raises(JobClaimed if self.refused(job) else VersionConflict):
                self.long.save(job, stage, "expected", expected_version=expected)
            return
        saved = self.long.save(job, stage, "expected", expected_version=expected)
        self.appended(job, saved).complete(stage, "expected")

    @rule(items=st.lists(st.tuples(jobs, stages, json_values), max_size=6))
    def save_many(self, items: list[tuple[str, str, Any]]) -> None:
        ours = [one for one in items if one[0] in LONG and not self.refused(one[0])]
        for (job, stage, data), saved in zip(ours, self.long.save_many(ours), strict=True):
            self.appended(job, saved).complete(stage, data)

    @rule(job=jobs, stage=stages)
    def fail(self, job: str, stage: str) -> None:
        if self.refused(job):
            return
        model = self.appended(job, self.manager(job).record_failure(job, stage, OSError("no")))
        model.failures[stage] = model.failures.get(stage, 0) + 1

    @rule(job=st.sampled_from(LONG))
    def delete(self, job: str) -> None:
        if self.refused(job):
            with pytest.raises(JobClaimed):
                self.long.delete_job_checkpoints(job)
            return
        model = self.model[job]
        assert self.long.delete_job_checkpoints(job) == model.lives(self.now_ms())
        if model.lives(self.now_ms()):
            self.model[job] = Job(
                deleted=True, expires_ms=model.expires_ms, version=model.version + 1
            )

    # Time travel

    @rule(job=st.sampled_from(LONG), stage=stages)
    def rewind(self, job: str, stage: str) -> None:
        model = self.model[job]
        if not model.lives(self.now_ms()):
            with pytest.raises(JobNotLive):
                self.long.rewind(job, stage)
            return
        again = model.tried_from(stage)
        if again and self.refused(job):
            with pytest.raises(JobClaimed):
                self.long.rewind(job, stage)
            return
        assert self.long.rewind(job, stage) == again
        if again:
            model.version += 1
            model.forget(again)

    @precondition(lambda self: self.claims)
    @rule(which=st.integers(0), stage=stages)
    def rewind_while_held(self, which: int, stage: str) -> None:
        job = sorted(self.claims)[which % len(self.claims)]
        again = self.model[job].tried_from(stage)
        assert self.claims[job].rewind(stage) == again
        if again:
            self.model[job].version += 1
            self.model[job].forget(again)

    @rule(job=st.sampled_from(LONG), new=st.sampled_from(LONG))
    def fork(self, job: str, new: str) -> None:
        source, other = self.model[job], self.model[new]
        refusal: type[CheckpointError] | None = None
        if job == new:
            refusal = VersionConflict
        elif not source.lives(self.now_ms()):
            refusal = JobNotLive
        elif self.refused(new):
            refusal = JobClaimed
        elif other.lives(self.now_ms()):
            refusal = VersionConflict
        if refusal:
            with pytest.raises(refusal):
                self.long.fork(job, new)
            return
        began = self.now_ms()
        assert set(self.long.fork(job, new)) == set(source.stages)
        self.model[new] = Job(
            stages=copy.deepcopy(source.stages),
            version=1 + len(source.stages),
            expires_ms=began + round(LONG_SECONDS * 1000),
        )

    # Claims

    @rule(job=st.sampled_from(LONG), take_over=st.booleans())
    def claim(self, job: str, take_over: bool) -> None:
        entered = self.long.claim(job, "walker", take_over=take_over)
        if self.refused(job) and not take_over:
            with pytest.raises(JobClaimed):
                entered.__enter__()
            return
        if job in self.claims:
            self.stale.append(self.claims[job])
        held = self.held.enter_context(entered)
        self.claims[job] = held
        model = self.model[job]
        if not model.lives(self.now_ms()):
            model = self.model[job] = Job()
        model.version += 1
        model.expires_ms = self.now_ms() + round(LONG_SECONDS * 1000)

    @precondition(lambda self: self.claims)
    @rule(stage=stages, data=json_values, which=st.integers(0))
    def save_while_held(self, stage: str, data: Any, which: int) -> None:
        job = sorted(self.claims)[which % len(self.claims)]
        saved = self.claims[job].save(stage, data)
        self.appended(job, saved).complete(stage, data)

    @precondition(lambda self: self.claims)
    @rule(which=st.integers(0))
    def delete_while_held(self, which: int) -> None:
        job = sorted(self.claims)[which % len(self.claims)]
        held = self.claims.pop(job)
        self.stale.append(held)
        assert held.delete_checkpoints()
        model = self.model[job]
        self.model[job] = Job(deleted=True, expires_ms=model.expires_ms, version=model.version + 1)

    @precondition(lambda self: self.stale)
    @rule(which=st.integers(0), stage=stages)
    def save_after_the_claim_is_over(self, which: int, stage: str) -> None:
        with pytest.raises(StaleClaim):
            self.stale[which % len(self.stale)].save(stage, "stale")

    @rule()
    def release_all(self) -> None:
        self.held.close()
        for job in self.claims:
            self.model[job].version += 1
        self.stale += self.claims.values()
        self.claims.clear()

    # What changes nothing

    @rule(job=jobs)
    def look_up(self, job: str) -> None:
        before = self.now_ms()
        point, progress = (
            self.manager(job).get_resume_point(job),
            self.manager(job).get_job_progress(job),
        )
        model = self.model[job]
        if model.status(before) == model.status(self.now_ms()):
            self.check(model, before, point, progress)

    def check(self, model: Job, now_ms: int, point: Any, progress: Any) -> None:
        """Compare what was answered with what a user expects."""
        stages = model.stages if model.lives(now_ms) else {}
        assert (point["stage_data"] if point else {}) == stages
        if point and not point["is_complete"]:
            assert point["resume_from_stage"] == next(one for one in STAGES if one not in stages)
        assert set(progress["completed_stages"]) == set(stages)
        word = "live" if progress["status"] in LIVE_STATUSES else progress["status"]
        assert word in {model.status(now_ms), self.forgotten(model, now_ms)}
        if model.lives(now_ms):
            assert progress["version"] == model.version
            failures = {one["stage"]: one["attempts"] for one in progress["failures"]}
            assert failures == model.failures

    def forgotten(self, model: Job, now_ms: int) -> str:
        """Say what an expired job looks like to those who cannot know of it any more."""
        return "never existed" if model.status(now_ms) == "expired" else model.status(now_ms)

    @rule()
    def let_brief_jobs_expire(self) -> None:
        time.sleep(BRIEF_SECONDS + 0.02)

    @rule(size=st.integers(1, 5))
    def project(self, size: int) -> None:
        self.log.project(size)

    @rule()
    def archive(self) -> None:
        self.log.store()
        self.archived = copy.deepcopy(self.model)

    @rule(job=jobs)
    def lose_a_view(self, job: str) -> None:
        self.log.client.delete(self.log.keys(job).view)

    @rule()
    def restart_the_manager(self) -> None:
        self.release_all()
        self.long.close()
        self.brief.close()
        self._connect()

    @rule(job=st.sampled_from(LONG))
    def look_up_while_redis_is_away(self, job: str) -> None:
        away = replace(self.settings, redis_url=NOWHERE, timeout=0.2)
        with CheckpointManager(away, pipeline=STAGES) as manager:
            if not self.archived[job].expires_ms:
                with pytest.raises(LogUnavailable, match="knows nothing of job"):
                    manager.get_resume_point(job)
                return
            now_ms = self.now_ms()
            self.check(
                self.archived[job],
                now_ms,
                manager.get_resume_point(job),
                manager.get_job_progress(job),
            )

    @rule()
    def lose_redis(self) -> None:
        for job in self.claims:
            self.stale.append(self.claims[job])
        self.claims.clear()
        remove_namespace(self.settings.redis_url, self.settings.namespace)
        self.log.client.script_flush()
        for manager in (self.long, self.brief):
            with pytest.raises(LogNotReady):
                manager.get_resume_point(JOBS[0])
        self.log.run(keep_whole(self.settings.namespace, note))
        self.held.close()
        self.model = copy.deepcopy(self.archived)
        self.long.get_resume_point(LONG[0])
        self.brief.get_resume_point(BRIEF[0])
        for job in JOBS:
            for entry in self.log.entries(job):
                assert isinstance(entry.event, EventsLost)
                lost = Appended(job, entry.id, entry.version, entry.incarnation, repeated=False)
                self.appended(job, lost)

    def teardown(self) -> None:
        """See that view, log and archive agree, and clear up."""
        try:
            self.archive()
            self.log.project()
            archive = self.log.archive()
            for job in LONG:
                entries, _ = archive.job_entries(job)
                folded = fold_all(NOTHING, entries)
                assert folded.version == self.model[job].version
                view = self.log.view(job)
                assert view in (folded, NOTHING)
            archive.close()
        finally:
            self.held.close()
            self.long.close()
            self.brief.close()
            self.log.close()
            remove_namespace(self.settings.redis_url, self.settings.namespace)


def test_a_walk_never_leaves_the_model(redis_url: str, postgres_url: str) -> None:
    class Here(Walk):
        servers = Settings(redis_url=redis_url, postgres_url=postgres_url, timeout=3.0)

    run_state_machine_as_test(
        Here,
        settings=hypothesis_settings(
            max_examples=15,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
