"""CheckpointManager: what a pipeline talks to, in blocking code."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
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
from .claimed_job import ClaimedJob
from .core import Core
from .saves import StageData, noted
from .servers import Servers
from .stage_block import StageBlock
from .travel import fork, rewind

T = TypeVar("T")


class CheckpointManager:
    """Saves checkpoints and says where to resume.

    Thread-safe. Connects at the first call. Every method raises CheckpointError or one of its
    subclasses: LogUnavailable when Redis stays away for `settings.timeout` seconds, LogNotReady
    when it has lost the log.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        pipeline: Pipeline | Sequence[str] = OPEN,
        spool: str | Path | None = None,
    ) -> None:
        """Take settings, by default those of the environment, and the pipeline's ordered stages.

        `spool` names a local file that keeps saves while Redis is away, instead of
        `settings.spool`: see `save`.
        """
        self._core = Core.of(settings or Settings.from_env(), as_pipeline(pipeline), spool)
        self._servers = Servers(self._core.settings, self._core.settings.timeout)

    def for_pipeline(self, pipeline: Pipeline) -> Self:
        """Return a manager of another pipeline over the same connections."""
        return self._with(self._core.with_pipeline(pipeline))

    def within(self, timeout: float) -> Self:
        """Return a manager whose calls take `timeout` seconds at most, retries included.

        It has connections of its own: close it too. InvalidSettings.
        """
        other = self._with(self._core.with_timeout(timeout))
        other._servers = Servers(other._core.settings, timeout)  # noqa: SLF001 - of its own class
        return other

    def save(
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
        """Record that a stage is done, with the data that a resumed run needs.

        `ack` says what to wait for: `log` (Redis has it), `synced` (on Redis' disk; NotSynced),
        `durable` (committed to the archive; NotDurableYet). `expected_version` is the version the
        job must be at (VersionConflict). A second call with the same `key` returns what the first
        one did and changes nothing. `took` is how many seconds the stage took, for those who look.

        Where Redis stays away and the manager has a spool, a save that asks for `log` goes there:
        the result then has `spooled`. The next call of any manager with that spool sends it once
        Redis is back; what the log then refuses stays in the spool, with a warning in the log
        of the process.
        """
        steps = saves.save_many(
            self._core,
            [(job_id, stage, data)],
            ack=ack,
            expected_version=expected_version,
            key=key,
            took=took,
        )
        return self._servers.run(steps)[0]

    def save_many(self, items: Iterable[StageData], *, ack: str | None = None) -> list[Appended]:
        """Record many stages, as (job, stage, data): one call per partition, each all or nothing.

        The results come in the order of the items.
        """
        return self._servers.run(saves.save_many(self._core, items, ack=ack))

    @overload
    def load(self, job_id: str, stage: str, type: None = None) -> Any: ...
    @overload
    def load(self, job_id: str, stage: str, type: type[T]) -> T | None: ...
    def load(self, job_id: str, stage: str, type: Any = None) -> Any:  # noqa: A002 - msgspec's word
        """Return the data saved with a stage, as plain values or as `type`; None without one."""
        return self._servers.run(answers.load(self._core, job_id, stage, type))

    def get_resume_point(self, job_id: str) -> ResumePoint | None:
        """Say where the job goes on; None where it has no live checkpoint. OtherPipeline."""
        return self._servers.run(answers.resume(self._core, job_id))

    def is_completed(self, job_id: str, stage: str) -> bool:
        """Say whether a stage has a live checkpoint."""
        return self._servers.run(answers.is_completed(self._core, job_id, stage))

    def get_job_progress(self, job_id: str) -> JobProgress:
        """Say how far the job has come; a job that is gone or unknown has completed nothing."""
        return self._servers.run(answers.progress(self._core, job_id))

    def get_job_history(self, job_id: str) -> JobHistory:
        """Return every event of the job on record, also of its earlier lives, oldest first."""
        return self._servers.run(answers.history(self._core, job_id))

    def get_job_snapshot(self, job_id: str) -> JobSnapshot:
        """Read the job at one moment, with its status and the source of the answer.

        For callers that must know whether an answer came from the archive.
        """
        return self._servers.run(answers.snapshot(self._core, job_id))

    def delete_job_checkpoints(self, job_id: str) -> bool:
        """Forget the job; its id begins a new life. False where there was nothing to forget."""
        return self._servers.run(saves.delete(self._core, job_id))

    def rewind(self, job_id: str, stage: str) -> list[str]:
        """Let a stage and all that come after it be done again; the history keeps them.

        Returns those of them that had been tried; where none had, nothing changes. JobNotLive,
        UnknownStage; VersionConflict where the job does not stop going on.
        """
        return self._servers.run(rewind(self._core, job_id, stage))

    def fork(self, job_id: str, new_job_id: str, at: str | None = None) -> list[str]:
        """Begin a new job with another's checkpoints, up to and with stage `at`; return the stages.

        JobNotLive; UnknownStage where `at` is not completed; VersionConflict where the new job
        lives already.
        """
        return self._servers.run(fork(self._core, job_id, new_job_id, at))

    def record_failure(
        self, job_id: str, stage: str, error: BaseException, *, took: float | None = None
    ) -> Appended:
        """Record that an attempt at a stage, of `took` seconds, ended in an exception."""
        return self._servers.run(saves.fail(self._core, job_id, stage, error, took))

    def wait_until_durable(self, *saved: Appended) -> None:
        """Wait until the archive has what was saved; NotDurableYet after `settings.timeout`."""
        self._servers.run(self._core.wait_until_durable(saved))

    @contextmanager
    def atomic_checkpoint(
        self, job_id: str, stage: str, *, ack: str | None = None
    ) -> Iterator[dict[str, Any]]:
        """Save a stage when the block ends, with the data put into the dict that is yielded.

        If the block raises, nothing is saved, the failure is recorded with its traceback, and the
        exception is raised again; Ctrl-C, an exit and a cancelled task count as interruptions. A
        value that cannot be saved is refused when it is put into the dict, and is a failure too,
        like a block that replaces the dict (`data = …`): InvalidPayload.
        """
        block = StageBlock(self._core.pipeline.check(stage), self._core.settings.max_payload)
        try:
            yield block.open()
            data = block.result()
        except BaseException as error:
            with noted(error):
                self.record_failure(job_id, stage, error, took=block.took)
            raise
        try:
            self.save(job_id, stage, data, ack=ack, took=block.took)
        except InvalidPayload as error:
            with noted(error):
                self.record_failure(job_id, stage, error, took=block.took)
            raise

    @contextmanager
    def claim(
        self,
        job_id: str,
        owner: str | None = None,
        *,
        lease: float = 30.0,
        wait: float = 0.0,
        take_over: bool = False,
    ) -> Iterator[ClaimedJob]:
        """Hold a job while the block runs: nobody else can append to it.

        `lease` is how many seconds the claim outlives this process; it renews itself while the
        block runs. If another worker holds the job, waits up to `wait` seconds, then JobClaimed;
        with `take_over` that worker's claim is ended instead, and all it appends from then on is
        refused with StaleClaim. `owner` is for people: by default host and process.
        """
        claim = Claim(job_id, owner or this_process(), lease, wait, take_over)
        key, process, core = made_up_key(), os.getpid(), None
        try:
            core = self._servers.run(take(self._core, claim, key), claim.wait)
            job = ClaimedJob(self._with(core), claim, core.token)
            with job.renewing():
                yield job
        except CheckpointError:
            raise
        except BaseException:
            if core is None:
                self._insist(lambda: undo(self._core, claim, key))
            raise
        finally:
            if core is not None and os.getpid() == process:  # a forked child holds nothing
                held = core
                self._insist(lambda: release(held, claim))

    def renew(self, claim: Claim) -> None:
        """Make the lease of this manager's claim run anew; StaleClaim if the claim is over."""
        self._servers.run(renew(self._core, claim))

    def close(self) -> None:
        """Close the connections."""
        self._servers.close()

    def _insist(self, steps: Callable[[], Steps[None]]) -> None:
        """Carry out steps that leave nothing behind; once more where Ctrl-C ends them."""
        try:
            self._servers.run(steps())
        except KeyboardInterrupt:
            self._servers.run(steps())
            raise

    def _with(self, core: Core) -> Self:
        other = object.__new__(type(self))
        other._core, other._servers = core, self._servers
        return other

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as the settings: another process connects anew. TypeError under a claim."""
        return self._core.remake(type(self))

    def __enter__(self) -> Self:
        """Return the manager itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()
