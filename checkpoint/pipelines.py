"""Pipelines with their own checkpoint classes; the first one edits videos."""

from typing import Any, ClassVar

from checkpoint.events.append import Appended
from checkpoint.query.pipeline import Pipeline
from checkpoint.query.resume import ResumePoint

from .manager import CheckpointManager


class PipelineCheckpoint:
    """Checkpoints of one declared pipeline: subclass it and set `pipeline`.

    Works through a manager that may serve other pipelines too.
    """

    pipeline: ClassVar[Pipeline]

    def __init__(self, manager: CheckpointManager) -> None:
        """Take the manager to work through."""
        self._manager = manager.for_pipeline(self.pipeline)

    def save_stage_data(self, /, job_id: str, stage: str, **data: Any) -> Appended:
        """Record that a stage is done; all other keywords are its data, whatever their names."""
        return self._manager.save(job_id, stage, data)

    def get_resume_point(self, job_id: str) -> ResumePoint | None:
        """Say where the job goes on; None where it has no live checkpoint. OtherPipeline."""
        return self._manager.get_resume_point(job_id)

    def should_skip_stage(self, job_id: str, stage: str) -> bool:
        """Say whether the stage is completed already; UnknownStage names the stages there are."""
        return self._manager.is_completed(job_id, stage)

    def load_stage_data(self, job_id: str, stage: str) -> Any:
        """Return the data saved with a stage; None if there is none."""
        return self._manager.load(job_id, stage)


class SmartVideoEditorCheckpoint(PipelineCheckpoint):
    """Checkpoints of the video editor's eight stages."""

    pipeline = Pipeline(
        "video",
        (
            "validation",
            "analysis",
            "transcription",
            "highlight_detection",
            "editing",
            "audio_normalization",
            "color_correction",
            "export",
        ),
    )
