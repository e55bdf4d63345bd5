"""The work of blocking producers: jobs that are run through a CheckpointManager."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

from checkpoint import CheckpointManager, ClaimedJob, IncarnationEnded

from .answers import QUESTIONS, STAGES, arguments, said
from .journal import Heard, Journal

LEVELS = ("log", "log", "log", "synced", "durable")
WORK_SECONDS = 0.02
SHARED_JOBS = 3
"""How many jobs at a time all producers work on, under claims."""
SHARED_SECONDS = 15
"""How long the shared jobs keep their names."""
LEASE_SECONDS = 1.0
KEPT = 50
"""How many of its earlier jobs a worker asks for."""


@dataclass
class Worker:
    """One thread of a producer."""

    name: str
    random: Random
    manager: CheckpointManager
    journal: Journal
    past: list[str] = field(default_factory=list)

    def run(self, jobs: int | None = None) -> None:
        """Go on for ever, or for some jobs."""
        for number in range(jobs) if jobs else count():
            self.own_job(f"{self.name}-{number}")
            self.random.choice([self.shared_job, self.batch, self.look_back])()

    def own_job(self, job: str) -> None:
        """Complete a job's stages, and now and then repeat, ask where to resume, or delete."""
        self.past = [*self.past[-KEPT:], job]
        ways = [self.save] * 8 + [self.save_twice, self.save_expecting, self.save_later]
        for stage in STAGES:
            time.sleep(self.random.expovariate(1 / WORK_SECONDS))
            self.random.choice(ways)(job, stage)
            if self.random.random() < 0.4:
                self.ask(job)
            if self.random.random() < 0.05:
                self.rewind(job, stage)
            if self.random.random() < 0.05:
                self.delete(job)
                self.ask(job)

    def save(self, job: str, stage: str, **options: Any) -> Heard:
        """Save a stage, waiting for any of the levels."""
        level = self.random.choice(LEVELS)
        with self.journal.saving("save", [job], stage=stage) as heard:
            saved = self.manager.save(job, stage, heard.data[0], ack=level, **options)
            heard.acks(level, [saved])
        return heard

    def save_twice(self, job: str, stage: str) -> None:
        """Save a stage twice under one key: it is one event, whatever happens in between."""
        key, limit = f"{job}/{stage}/{time.monotonic_ns()}", self.journal.limit
        with self.journal.saving("save", [job], stage=stage, wait=limit) as heard:
            first = self.manager.save(job, stage, heard.data[0], key=key)
            second = self.manager.save(job, stage, heard.data[0], key=key)
            heard.acks("log", [first if second.repeated else second])

    def save_expecting(self, job: str, stage: str) -> None:
        """Save a stage only if nothing happened to the job since the last save."""
        before = self.save(job, stage)
        if before.appended and before.appended[0]:
            self.save(job, stage, expected_version=before.appended[0].version)

    def save_later(self, job: str, stage: str) -> None:
        """Save a stage, and wait for the archive in a call of its own."""
        with self.journal.saving("save", [job], stage=stage) as heard:
            heard.acks("log", [self.manager.save(job, stage, heard.data[0])])
        saved, records = heard.appended, heard.records
        if saved and saved[0]:
            with self.journal.calling("wait_until_durable", job, tries=heard.tries) as later:
                self.manager.wait_until_durable(saved[0])
                later.records = records
                later.acks("durable", saved)

    def batch(self) -> None:
        """Save several jobs at once."""
        level, stage = self.random.choice(LEVELS), STAGES[0]
        jobs = [f"{self.name}-batch-{time.monotonic_ns()}-{part}" for part in range(5)]
        with self.journal.saving("save_many", jobs, stage=stage) as heard:
            items = [(job, stage, one) for job, one in zip(jobs, heard.data, strict=True)]
            heard.acks(level, self.manager.save_many(items, ack=level))
        self.ask(self.random.choice(jobs))

    def rewind(self, job: str, stage: str) -> None:
        """Let a stage be done again."""
        with self.journal.calling("rewind", job):
            self.manager.rewind(job, stage)

    def delete(self, job: str) -> None:
        """End the job's life."""
        with self.journal.saving("delete", [job], kind="delete") as heard:
            if not self.manager.delete_job_checkpoints(job):
                raise IncarnationEnded
            heard.acks("log", [None])

    def look_back(self) -> None:
        """Ask where an earlier job stands."""
        self.ask(self.random.choice(self.past))

    def shared_job(self) -> None:
        """Claim a job that others want too, and complete stages of it, sometimes too slowly."""
        job = shared_job_name(self.random)
        wait, take_over = self.random.choice([0.0, 0.5]), self.random.random() < 0.2
        options = {"lease": LEASE_SECONDS, "wait": wait, "take_over": take_over}
        held: ClaimedJob | None = None
        claim = self.manager.claim(job, self.name, **options)
        with self.journal.calling("claim", job, wait=wait):
            held = claim.__enter__()
        if held is None:
            return
        for _ in range(self.random.randrange(1, 5)):
            self.save_held(held)
            time.sleep(self.random.choice([0.0, 0.02, 0.3]))
        self.ask(job)
        # the lease's last renewal may have its own deadline to reach
        with self.journal.calling("release", job, wait=self.journal.limit):
            claim.__exit__(None, None, None)

    def save_held(self, held: ClaimedJob) -> None:
        """Save a stage of a job that is held."""
        stage, level = self.random.choice(STAGES), self.random.choice(LEVELS)
        with self.journal.saving("save", [held.job_id], stage=stage, token=held.token) as heard:
            heard.acks(level, [held.save(stage, heard.data[0], ack=level)])

    def ask(self, job: str) -> None:
        """Ask one of the questions of a job, and record the answer."""
        op, stage = self.random.choice(QUESTIONS), self.random.choice(STAGES)
        with self.journal.calling(op, job, stage=stage) as heard:
            answer = getattr(self.manager, op)(*arguments(op, job, stage))
            heard.answer(job, **said(op, stage, answer))

    def reopen(self) -> None:
        """Close the manager's connections; the next call opens them again."""
        with self.journal.calling("close"):
            self.manager.close()


def shared_job_name(random: Random) -> str:
    """Draw one of the jobs that all producers work on now."""
    era = int(time.monotonic() / SHARED_SECONDS)
    return f"shared-{era}-{random.randrange(SHARED_JOBS)}"


def process_name(journal: Journal) -> str:
    """Name what only this process does."""
    return f"{journal.life}-{os.getpid()}"


def names_of(prefix: str, number: int) -> Sequence[str]:
    """Name so many workers."""
    return [f"{prefix}-{n}" for n in range(number)]
