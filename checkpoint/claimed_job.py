"""A job while this process holds it: the manager's verbs under the claim's token."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from time import monotonic
from typing import TYPE_CHECKING, Any

from checkpoint.events.append import Appended
from checkpoint.events.errors import LogNotReady, LogUnavailable, StaleClaim
from checkpoint.query.resume import ResumePoint

from .claim import Claim

if TYPE_CHECKING:
    from .async_manager import AsyncCheckpointManager
    from .manager import CheckpointManager

RENEWALS_PER_LEASE = 3
"""A renewal may fail twice before the lease runs out."""

log = logging.getLogger(__name__)


class Lease:
    """A claim's lease, as far as this process knows it.

    Thread-safe: each attribute is set at once.
    """

    def __init__(self, seconds: float) -> None:
        """Begin a lease of so many seconds now."""
        self._seconds = seconds
        self._until = monotonic() + seconds
        self.is_over = False
        """Whether the log has said that the claim is over."""

    @property
    def is_held(self) -> bool:
        """Whether the claim is not known to be over, and the lease has not run out."""
        return not self.is_over and monotonic() < self._until

    @property
    def pause(self) -> float:
        """Seconds until the next renewal is due: two may fail before the lease runs out."""
        return self._seconds / RENEWALS_PER_LEASE

    def renewed(self, begun: float) -> None:
        """Note a renewal that was asked for at `begun`, by the monotonic clock."""
        self._until = begun + self._seconds

    def failed(self, job: str, error: Exception) -> None:
        """Note a renewal that failed. Only the log can say that the claim is over."""
        if isinstance(error, StaleClaim):
            self.is_over = True
            log.warning("%s", error)
        elif not isinstance(error, LogUnavailable | LogNotReady):
            log.warning("The claim of job %r could not be renewed, trying again: %s", job, error)


class ClaimedJob:
    """A job that this process holds. Everything it appends is refused once the claim is over."""

    def __init__(self, manager: "CheckpointManager", claim: Claim, token: str) -> None:
        """Take a manager under the claim's token."""
        self._manager = manager
        self._claim = claim
        self._lease = Lease(claim.lease)
        self._stopped = threading.Event()
        self.token = token
        """Names the claim: the entry id of the event that made it."""

    @property
    def job_id(self) -> str:
        """The job that is held."""
        return self._claim.job

    @property
    def is_held(self) -> bool:
        """Whether the lease, as it was last renewed, has not run out."""
        return self._lease.is_held

    def save(self, stage: str, data: Any, **options: Any) -> Appended:
        """Record that a stage is done: see CheckpointManager.save. StaleClaim."""
        return self._manager.save(self.job_id, stage, data, **options)

    def load(self, stage: str, type: Any = None) -> Any:  # noqa: A002 - as in the manager
        """Return the data saved with a stage: see CheckpointManager.load."""
        return self._manager.load(self.job_id, stage, type)

    def is_completed(self, stage: str) -> bool:
        """Say whether a stage has a live checkpoint."""
        return self._manager.is_completed(self.job_id, stage)

    def get_resume_point(self) -> ResumePoint | None:
        """Say where the job goes on; None where it has no live checkpoint."""
        return self._manager.get_resume_point(self.job_id)

    def atomic_checkpoint(
        self, stage: str, *, ack: str | None = None
    ) -> AbstractContextManager[dict[str, Any]]:
        """Save a stage when the block ends: see CheckpointManager.atomic_checkpoint. StaleClaim."""
        return self._manager.atomic_checkpoint(self.job_id, stage, ack=ack)

    def record_failure(
        self, stage: str, error: BaseException, *, took: float | None = None
    ) -> Appended:
        """Record that an attempt at a stage, of `took` seconds, ended in an exception."""
        return self._manager.record_failure(self.job_id, stage, error, took=took)

    def rewind(self, stage: str) -> list[str]:
        """Let a stage and all after it be done again: see CheckpointManager.rewind. StaleClaim."""
        return self._manager.rewind(self.job_id, stage)

    def delete_checkpoints(self) -> bool:
        """Forget the job, which ends the claim too. StaleClaim."""
        return self._manager.delete_job_checkpoints(self.job_id)

    def keep_renewing(self) -> None:
        """Renew the lease until the block ends or the claim is over."""
        while not self._stopped.wait(self._lease.pause) and not self._lease.is_over:
            begun = monotonic()
            try:
                self._manager.renew(self._claim)
            except Exception as error:  # noqa: BLE001 - a renewer that dies loses the job
                self._lease.failed(self.job_id, error)
            else:
                self._lease.renewed(begun)

    @contextmanager
    def renewing(self) -> Iterator[None]:
        """Keep renewing, in a thread, as long as the block runs."""
        name = f"lease of {self.job_id}"
        renewer = threading.Thread(target=self.keep_renewing, name=name, daemon=True)
        renewer.start()
        try:
            yield
        finally:
            self._stopped.set()
            renewer.join()


class AsyncClaimedJob:
    """ClaimedJob for asyncio: the same verbs, to be awaited."""

    def __init__(self, manager: "AsyncCheckpointManager", claim: Claim, token: str) -> None:
        """Take a manager under the claim's token."""
        self._manager = manager
        self._claim = claim
        self._lease = Lease(claim.lease)
        self.token = token
        """Names the claim: the entry id of the event that made it."""

    @property
    def job_id(self) -> str:
        """The job that is held."""
        return self._claim.job

    @property
    def is_held(self) -> bool:
        """Whether the lease, as it was last renewed, has not run out."""
        return self._lease.is_held

    async def save(self, stage: str, data: Any, **options: Any) -> Appended:
        """Record that a stage is done: see CheckpointManager.save. StaleClaim."""
        return await self._manager.save(self.job_id, stage, data, **options)

    async def load(self, stage: str, type: Any = None) -> Any:  # noqa: A002 - as in the manager
        """Return the data saved with a stage: see CheckpointManager.load."""
        return await self._manager.load(self.job_id, stage, type)

    async def is_completed(self, stage: str) -> bool:
        """Say whether a stage has a live checkpoint."""
        return await self._manager.is_completed(self.job_id, stage)

    async def get_resume_point(self) -> ResumePoint | None:
        """Say where the job goes on; None where it has no live checkpoint."""
        return await self._manager.get_resume_point(self.job_id)

    def atomic_checkpoint(
        self, stage: str, *, ack: str | None = None
    ) -> AbstractAsyncContextManager[dict[str, Any]]:
        """Save a stage when the block ends: see CheckpointManager.atomic_checkpoint. StaleClaim."""
        return self._manager.atomic_checkpoint(self.job_id, stage, ack=ack)

    async def record_failure(
        self, stage: str, error: BaseException, *, took: float | None = None
    ) -> Appended:
        """Record that an attempt at a stage, of `took` seconds, ended in an exception."""
        return await self._manager.record_failure(self.job_id, stage, error, took=took)

    async def rewind(self, stage: str) -> list[str]:
        """Let a stage and all after it be done again: see CheckpointManager.rewind. StaleClaim."""
        return await self._manager.rewind(self.job_id, stage)

    async def delete_checkpoints(self) -> bool:
        """Forget the job, which ends the claim too. StaleClaim."""
        return await self._manager.delete_job_checkpoints(self.job_id)

    @asynccontextmanager
    async def renewing(self) -> AsyncIterator[None]:
        """Keep renewing, in a task, as long as the block runs."""
        renewer = asyncio.create_task(self.keep_renewing(), name=f"lease of {self.job_id}")
        try:
            yield
        finally:
            renewer.cancel()  # the release does not wait for it: a renewal changes no claim

    async def keep_renewing(self) -> None:
        """Renew the lease until cancelled or the claim is over."""
        while not self._lease.is_over:
            await asyncio.sleep(self._lease.pause)
            begun = monotonic()
            try:
                await self._manager.renew(self._claim)
            except Exception as error:  # noqa: BLE001 - a renewer that dies loses the job
                self._lease.failed(self.job_id, error)
            else:
                self._lease.renewed(begun)
