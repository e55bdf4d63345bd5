"""An asyncio producer: tasks over one AsyncCheckpointManager, some of which are cancelled."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from random import Random

from checkpoint import AsyncCheckpointManager

from .answers import QUESTIONS, STAGES, arguments, said
from .journal import Journal
from .work import LEASE_SECONDS, LEVELS, WORK_SECONDS, shared_job_name

TASKS = 4


async def run_tasks(journal: Journal, random: Random) -> None:
    """Run for ever."""
    async with AsyncCheckpointManager(pipeline=STAGES) as manager, asyncio.TaskGroup() as group:
        for number in range(TASKS):
            name = f"{journal.life}-{number}"
            own = Random(random.random())  # noqa: S311 - no secret: it is to be repeated
            group.create_task(Task(name, own, manager, journal).run(), name=name)


@dataclass
class Task:
    """One task of the producer."""

    name: str
    random: Random
    manager: AsyncCheckpointManager
    journal: Journal

    async def run(self) -> None:
        """Go on for ever."""
        for number in count():
            job = f"{self.name}-{number}"
            for stage in STAGES:
                await asyncio.sleep(self.random.expovariate(1 / WORK_SECONDS))
                await self.save(job, stage)
                if self.random.random() < 0.4:
                    await self.ask(job)
                if self.random.random() < 0.1:
                    await self.cancelled(self.save(job, stage))
            await self.random.choice([self.shared_job, self.batch])()

    async def save(self, job: str, stage: str) -> None:
        """Save a stage, waiting for any of the levels."""
        level = self.random.choice(LEVELS)
        with self.journal.saving("save", [job], stage=stage) as heard:
            saved = await self.manager.save(job, stage, heard.data[0], ack=level)
            heard.acks(level, [saved])

    async def cancelled(self, doing: "asyncio._CoroutineLike[None]") -> None:
        """Do something in a task that is cancelled, perhaps before it is done."""
        task = asyncio.ensure_future(doing)
        await asyncio.sleep(self.random.choice([0.0, 0.001, 0.003]))
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def batch(self) -> None:
        """Save several jobs at once."""
        level = self.random.choice(LEVELS)
        jobs = [f"{self.name}-batch-{time.monotonic_ns()}-{part}" for part in range(5)]
        with self.journal.saving("save_many", jobs, stage=STAGES[0]) as heard:
            items = [(job, STAGES[0], one) for job, one in zip(jobs, heard.data, strict=True)]
            heard.acks(level, await self.manager.save_many(items, ack=level))

    async def ask(self, job: str) -> None:
        """Ask one of the questions of a job, and record the answer."""
        op, stage = self.random.choice(QUESTIONS), self.random.choice(STAGES)
        with self.journal.calling(op, job, stage=stage) as heard:
            answer = await getattr(self.manager, op)(*arguments(op, job, stage))
            heard.answer(job, **said(op, stage, answer))

    async def shared_job(self) -> None:
        """Claim a job that others want too, and complete stages of it."""
        job = shared_job_name(self.random)
        claim = self.manager.claim(job, self.name, lease=LEASE_SECONDS)
        held = None
        with self.journal.calling("claim", job):
            held = await claim.__aenter__()
        if held is None:
            return
        for _ in range(self.random.randrange(1, 4)):
            stage, level = self.random.choice(STAGES), self.random.choice(LEVELS)
            with self.journal.saving("save", [job], stage=stage, token=held.token) as heard:
                heard.acks(level, [await held.save(stage, heard.data[0], ack=level)])
        with self.journal.calling("release", job, wait=self.journal.limit):
            await claim.__aexit__(None, None, None)
