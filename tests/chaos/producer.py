"""A producer: a process that runs jobs through CheckpointManager and records what it hears.

    python -m chaos.producer NAME LIFE SEED SKEW RECORDS

SKEW is by how many seconds its clock is wrong. It runs until it is killed.
"""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from checkpoint import (
    Appended,
    CheckpointError,
    CheckpointManager,
    ClaimedJob,
    IncarnationEnded,
    JobClaimed,
    NotDurableYet,
    StaleClaim,
    VersionConflict,
)

from .records import Record, Recorder

STAGES = tuple(f"stage-{number}" for number in range(6))
LEVELS = ("log", "log", "log", "synced", "durable")
WORK_SECONDS = 0.01
SHARED_JOBS = 3
"""How many jobs at a time all producers work on, under claims."""

SHARED_SECONDS = 15
"""How long the shared jobs keep their names."""

LEASE_SECONDS = 1.0
REFUSALS = (StaleClaim, JobClaimed, VersionConflict, IncarnationEnded)
"""What the log refuses for good: nothing was appended."""

Marks = Sequence[dict[str, str]]
Act = Callable[[Marks], Sequence[Appended | None]]
"""Does what is tried, with the data of each event, and says where they stand in the log."""


@dataclass
class Producer:
    """One life of a producer."""

    name: str
    random: Random
    manager: CheckpointManager
    recorder: Recorder
    ops: Iterator[int] = field(default_factory=count)
    past: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Go on for ever."""
        for number in count():
            self.own_job(f"{self.name}-{number}")
            self.random.choice([self.shared_job, self.batch, self.look_back])()

    def own_job(self, job: str) -> None:
        """Complete a job's stages, and now and then repeat, ask where to resume, or delete."""
        self.past.append(job)
        ways = [self.save] * 8 + [self.save_twice, self.save_expecting]
        for stage in STAGES:
            time.sleep(self.random.expovariate(1 / WORK_SECONDS))
            self.random.choice(ways)(job, stage)
            if self.random.random() < 0.3:
                self.ask(job)
            if self.random.random() < 0.05:
                self.delete(job)
                self.ask(job)

    def save(self, job: str, stage: str, **options: Any) -> int | None:
        """Save a stage, waiting for any of the levels; return its version if it got one."""
        level = self.random.choice(LEVELS)
        saved = self.attempt(
            [job],
            lambda marks: [self.manager.save(job, stage, marks[0], ack=level, **options)],
            stage=stage,
            level=level,
        )
        return saved[0].version if saved and saved[0] else None

    def save_twice(self, job: str, stage: str) -> None:
        """Save a stage twice under one key: it is one event, whatever happens in between."""
        key = f"{job}/{stage}/{next(self.ops)}"

        def act(marks: Marks) -> list[Appended | None]:
            first = self.manager.save(job, stage, marks[0], key=key)
            second = self.manager.save(job, stage, marks[0], key=key)
            return [first if second.repeated else second]

        self.attempt([job], act, stage=stage)

    def save_expecting(self, job: str, stage: str) -> None:
        """Save a stage only if nothing happened to the job since the last save."""
        version = self.save(job, stage)
        self.save(job, stage, expected_version=version)

    def batch(self) -> None:
        """Save several jobs at once."""
        op, level, stage = next(self.ops), self.random.choice(LEVELS), STAGES[0]
        jobs = [f"{self.name}-batch-{op}-{part}" for part in range(5)]

        def act(marks: Marks) -> Sequence[Appended]:
            items = [(job, stage, mark) for job, mark in zip(jobs, marks, strict=True)]
            return self.manager.save_many(items, ack=level)

        self.attempt(jobs, act, stage=stage, level=level)
        self.ask(self.random.choice(jobs))

    def delete(self, job: str) -> None:
        """End the job's life."""

        def act(_: Marks) -> list[None]:
            if not self.manager.delete_job_checkpoints(job):
                raise IncarnationEnded
            return [None]

        self.attempt([job], act, kind="delete")

    def look_back(self) -> None:
        """Ask where an earlier job stands."""
        self.ask(self.random.choice(self.past))

    def shared_job(self) -> None:
        """Claim a job that others want too, and complete stages of it, sometimes too slowly."""
        era = int(time.monotonic() / SHARED_SECONDS)
        job = f"shared-{era}-{self.random.randrange(SHARED_JOBS)}"
        wait, take_over = self.random.choice([0.0, 0.5]), self.random.random() < 0.2
        try:
            with self.manager.claim(
                job, self.name, lease=LEASE_SECONDS, wait=wait, take_over=take_over
            ) as held:
                for _ in range(self.random.randrange(1, 5)):
                    self.save_held(held)
                    time.sleep(self.random.choice([0.0, 0.02, 0.3]))
                self.ask(job)
        except CheckpointError as error:
            self.recorder.write(Record("refused", job, kind="claim", error=repr(error)))

    def save_held(self, held: ClaimedJob) -> None:
        """Save a stage of a job that is held."""
        stage, level = self.random.choice(STAGES), self.random.choice(LEVELS)
        self.attempt(
            [held.job_id],
            lambda marks: [held.save(stage, marks[0], ack=level)],
            stage=stage,
            level=level,
            token=held.token,
        )

    def ask(self, job: str) -> None:
        """Ask where a job resumes, and record the answer."""
        question = Record("ask", job, mark=f"{self.name}/{next(self.ops)}")
        self.recorder.write(question)
        try:
            point = self.manager.get_resume_point(job)
        except CheckpointError as error:
            self.recorder.write(_changed(question, what="refused", error=repr(error)))
            return
        data = point["stage_data"] if point else {}
        marks = {stage: one["mark"] for stage, one in data.items()}
        source = point["source"] if point else ""
        self.recorder.write(_changed(question, what="answer", stages=marks, source=source))

    def attempt(
        self,
        jobs: Sequence[str],
        act: Act,
        *,
        kind: str = "save",
        stage: str = "",
        level: str = "log",
        token: str = "",
    ) -> Sequence[Appended | None]:
        """Do something to jobs; record what is tried, and what comes of it."""
        name = f"{self.name}/{next(self.ops)}"
        tries = [
            Record("try", job, mark=f"{name}/{n}", kind=kind, stage=stage, token=token)
            for n, job in enumerate(jobs)
        ]
        self._write(tries)
        try:
            answers = act([{"mark": one.mark} for one in tries])
        except CheckpointError as error:
            what = "refused" if isinstance(error, REFUSALS) else "doubt"
            entry = error.entry_id if isinstance(error, NotDurableYet) else ""
            self._write([_changed(one, what=what, error=repr(error), id=entry) for one in tries])
            return []
        self._write(
            [
                _changed(one, what="ack", level=level, **_place(answer))
                for one, answer in zip(tries, answers, strict=True)
            ]
        )
        return answers

    def _write(self, records: Sequence[Record]) -> None:
        self.recorder.write(*records)


def _changed(record: Record, **changes: Any) -> Record:
    return msgspec.structs.replace(record, **changes)


def _place(appended: Appended | None) -> dict[str, Any]:
    if appended is None:
        return {}
    incarnation = str(appended.incarnation)
    return {"id": str(appended.id), "version": appended.version, "incarnation": incarnation}


def _skew_clock(seconds: float) -> None:
    """Make the wall clock of this process wrong."""
    right = time.time
    time.time = lambda: right() + seconds
    time.time_ns = lambda: round(time.time() * 1e9)


def main(name: str, life: str, seed: str, skew: str, records: str) -> None:
    """Run one life of a producer; settings are those of the environment."""
    _skew_clock(float(skew))
    random = Random(f"{seed} {name} {life}")  # noqa: S311 - no secret: it is to be repeated
    with CheckpointManager() as manager:
        Producer(f"{name}.{life}", random, manager, Recorder(Path(records))).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
