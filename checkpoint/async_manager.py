"""AsyncCheckpointManager: what a pipeline talks to, in asyncio code."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from checkpoint.events.append import Appended, made_up_key
from checkpoint.events.errors import CheckpointError, InvalidPayload
from checkpoint.events.settings import Settings
from checkpoint.events.steps import Steps
from checkpoint.query.pipeline import OPEN, Pipeline, as_pipeline
from checkpoint.query.progress import JobProgress
from checkpoint.query.replay import JobHistory
from checkpoint.query.resume import ResumePoint
from checkpoint.query.snapshot import JobSnapshot

from . import answers, saves
from .claim import Claim, release, renew, take, this_process, undo
from .claimed_job import AsyncClaimedJob
from .core import Core
from .saves import StageData, noted
from .servers import AsyncServers
from .stage_block import StageBlock
from .travel import fork, rewind

T = TypeVar("T")


class AsyncCheckpointManager:
    """CheckpointManager for asyncio: the same verbs, to be awaited, in one event loop."""

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        pipeline: Pipeline | Sequence[str] = OPEN,
        spool: str | Path | None = None,
    ) -> None:
        """Take settings, by default those of the environment, and the pipeline's ordered stages.

        `spool` is what it is to CheckpointManager.
        """
        self._core = Core.of(settings or Settings.from_env(), as_pipeline(pipeline), spool)
        self._servers = AsyncServers(self._core.settings, self._core.settings.timeout)

    def for_pipeline(self, pipeline: Pipeline) -> Self:
        """Return a manager of another pipeline over the same connections."""
        return self._with(self._core.with_pipeline(pipeline))

    def within(self, timeout: float) -> Self:
        """Return a manager whose calls take `timeout` seconds at most, retries included.

        It has connections of its own: close it too. InvalidSettings.
        """
        other = self._with(self._core.with_timeout(timeout))
        other._servers = AsyncServers(other._core.settings, timeout)  # noqa: SLF001 - of its own class
        return other

    async def save(
        self,
        job_id: str,
        stage: str,
        data: Any,
        *,
        ack: str | None = None,
        expected_version: int | None = None,
        key: str | None = None,
        took: float | None = None,
    ) -> Appended:
        """Record that a stage is done: see CheckpointManager.save."""
        steps = saves.save_many(
            self._core,
            [(job_id, stage, data)],
            ack=ack,
            expected_version=expected_version,
            key=key,
            took=took,
        )
        return (await self._servers.run(steps))[0]

    async def save_many(
        self, items: Iterable[StageData], *, ack: str | None = None
    ) -> list[Appended]:
        """Record many stages: see CheckpointManager.save_many."""
        return await self._servers.run(saves.save_many(self._core, items, ack=ack))

    @overload
    async def load(self, job_id: str, stage: str, type: None = None) -> Any: ...
    @overload
    async def load(self, job_id: str, stage: str, type: type[T]) -> T | None: ...
    async def load(self, job_id: str, stage: str, type: Any = None) -> Any:  # noqa: A002 - as there
        """Return the data saved with a stage: see CheckpointManager.load."""
        return await self._servers.run(answers.load(self._core, job_id, stage, type))

    async def get_resume_point(self, job_id: str) -> ResumePoint | None:
        """Say where the job goes on; None where it has no live checkpoint. OtherPipeline."""
        return await self._servers.run(answers.resume(self._core, job_id))

    async def is_completed(self, job_id: str, stage: str) -> bool:
        """Say whether a stage has a live checkpoint."""
        return await self._servers.run(answers.is_completed(self._core, job_id, stage))

    async def get_job_progress(self, job_id: str) -> JobProgress:
        """Say how far the job has come: see CheckpointManager.get_job_progress."""
        return await self._servers.run(answers.progress(self._core, job_id))

    async def get_job_history(self, job_id: str) -> JobHistory:
        """Return every event of the job on record, also of its earlier lives, oldest first."""
        return await self._servers.run(answers.history(self._core, job_id))

    async def get_job_snapshot(self, job_id: str) -> JobSnapshot:
        """Read the job at one moment: see CheckpointManager.get_job_snapshot."""
        return await self._servers.run(answers.snapshot(self._core, job_id))

    async def delete_job_checkpoints(self, job_id: str) -> bool:
        """Forget the job; its id begins a new life. False where there was nothing to forget."""
        return await self._servers.run(saves.delete(self._core, job_id))

    async def rewind(self, job_id: str, stage: str) -> list[str]:
        """Let a stage and all that come after it be done again: see CheckpointManager.rewind."""
        return await self._servers.run(rewind(self._core, job_id, stage))

    async def fork(self, job_id: str, new_job_id: str, at: str | None = None) -> list[str]:
        """Begin a new job with another's checkpoints: see CheckpointManager.fork."""
        return await self._servers.run(fork(self._core, job_id, new_job_id, at))

    async def record_failure(
        self, job_id: str, stage: str, error: BaseException, *, took: float | None = None
    ) -> Appended:
        """Record that an attempt at a stage, of `took` seconds, ended in an exception."""
        return await self._servers.run(saves.fail(self._core, job_id, stage, error, took))

    async def wait_until_durable(self, *saved: Appended) -> None:
        """Wait until the archive has what was saved; NotDurableYet after `settings.timeout`."""
        await self._servers.run(self._core.wait_until_durable(saved))

    @asynccontextmanager
    async def atomic_checkpoint(
        self, job_id: str, stage: str, *, ack: str | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """Save a stage when the block ends: see CheckpointManager.atomic_checkpoint."""
        block = StageBlock(self._core.pipeline.check(stage), self._core.settings.max_payload)
        try:
            yield block.open()
            data = block.result()
        except BaseException as error:
            with noted(error):
                await self.record_failure(job_id, stage, error, took=block.took)
            raise
        try:
            await self.save(job_id, stage, data, ack=ack, took=block.took)
        except InvalidPayload as error:
            with noted(error):
                await self.record_failure(job_id, stage, error, took=block.took)
            raise

    @asynccontextmanager
    async def claim(
        self,
        job_id: str,
        owner: str | None = None,
        *,
        lease: float = 30.0,
        wait: float = 0.0,
        take_over: bool = False,
    ) -> AsyncIterator[AsyncClaimedJob]:
        """Hold a job while the block runs: see CheckpointManager.claim."""
        claim = Claim(job_id, owner or this_process(), lease, wait, take_over)
        key, process, core = made_up_key(), os.getpid(), None
        try:
            core = await self._servers.run(take(self._core, claim, key), claim.wait)
            job = AsyncClaimedJob(self._with(core), claim, core.token)
            async with job.renewing():
                yield job
        except CheckpointError:
            raise
        except BaseException:
            if core is None:
                await self._insist(lambda: undo(self._core, claim, key))
            raise
        finally:
            if core is not None and os.getpid() == process:  # a forked child holds nothing
                held = core
                await self._insist(lambda: release(held, claim))

    async def renew(self, claim: Claim) -> None:
        """Make the lease of this manager's claim run anew; StaleClaim if the claim is over."""
        await self._servers.run(renew(self._core, claim))

    async def close(self) -> None:
        """Close the connections."""
        await self._servers.close()

    async def _insist(self, steps: Callable[[], Steps[None]]) -> None:
        """Carry out steps that leave nothing behind, however often the task is cancelled.

        They are a task of their own. A loop that ends cancels that one too, once.
        """
        cancelled: asyncio.CancelledError | None = None
        for _ in range(2):
            running = asyncio.ensure_future(self._servers.run(steps()))
            while not running.done():
                try:
                    await asyncio.wait([running])
                except asyncio.CancelledError as error:
                    cancelled = error
            if not running.cancelled():
                break
        if cancelled:
            raise cancelled
        await running

    def _with(self, core: Core) -> Self:
        other = object.__new__(type(self))
        other._core, other._servers = core, self._servers
        return other

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as the settings: another process connects anew. TypeError under a claim."""
        return self._core.remake(type(self))

    async def __aenter__(self) -> Self:
        """Return the manager itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self.close()
