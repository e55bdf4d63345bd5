"""A snapshot of a job: its state at one moment, and where that is known from."""

from dataclasses import dataclass
from typing import Any, TypeVar, overload

from .lookup import Answer
from .pipeline import Pipeline
from .progress import JobProgress, job_progress
from .resume import ResumePoint, data_of, resume_point
from .status import job_status

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class JobSnapshot:
    """A job's state at one moment. All that it answers comes from the same read."""

    job_id: str
    answer: Answer
    pipeline: Pipeline

    @property
    def source(self) -> str:
        """The source of the state: view, log, archive or spool.

        The archive answers while Redis is away; it may lag behind what other processes saved.
        """
        return self.answer.source.value

    @property
    def status(self) -> str:
        """The job's status: see JobProgress."""
        return job_status(self.answer.status, self.answer.state, self.pipeline)

    @property
    def version(self) -> int:
        """The version of the job's latest event; 0 for a job that never existed."""
        return self.answer.state.version

    def is_completed(self, stage: str) -> bool:
        """Return whether a stage has a live checkpoint. UnknownStage."""
        return self.pipeline.check(stage) in self.answer.live.checkpoints

    @overload
    def load(self, stage: str, type: None = None) -> Any: ...
    @overload
    def load(self, stage: str, type: type[T]) -> T | None: ...
    def load(self, stage: str, type: Any = None) -> Any:  # noqa: A002 - msgspec's word
        """Return the data saved with a stage, as plain values or as `type`; None without one."""
        checkpoint = self.answer.live.checkpoints.get(self.pipeline.check(stage))
        return None if checkpoint is None else data_of(checkpoint, type)

    @property
    def resume_point(self) -> ResumePoint | None:
        """Where the job resumes; None where it has no live checkpoint. OtherPipeline."""
        return resume_point(self.job_id, self.answer, self.pipeline)

    @property
    def progress(self) -> JobProgress:
        """How far the job has come."""
        return job_progress(self.job_id, self.answer, self.pipeline)
