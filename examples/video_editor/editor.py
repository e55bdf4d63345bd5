"""The pipeline: eight stages in their order, a checkpoint after each, and nothing done twice."""

import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import msgspec
from av.error import FFmpegError

from checkpoint import CheckpointManager, SmartVideoEditorCheckpoint

from .analysis import Analysis, Timeline, analyze
from .audio_normalization import AudioNormalization, normalize
from .color_correction import ColorCorrection, correct
from .editing import Editing, edit
from .errors import EditorError, UnusableCheckpointError
from .export import Export, export
from .files import Report, StoredFile, fault
from .highlight_detection import Highlights, detect
from .terminal import Terminal
from .transcription import Transcription, Word, transcribe
from .validation import Validation, validate

Result = (
    Validation
    | Analysis
    | Transcription
    | Highlights
    | Editing
    | AudioNormalization
    | ColorCorrection
    | Export
)
AnyResult = TypeVar("AnyResult", bound=Result)
AnyJson = TypeVar("AnyJson")

OUTPUT = "highlights.mp4"
"""The finished video's name in the folder of the job."""


class VideoEditor:
    """Edits one video down to its highlights, as one job."""

    def __init__(
        self, manager: CheckpointManager, job_id: str, source: Path, folder: Path, show: Terminal
    ) -> None:
        """Name the job, its video, and the folder that takes the files of all stages."""
        self._manager = manager.for_pipeline(SmartVideoEditorCheckpoint.pipeline)
        self._checkpoint = SmartVideoEditorCheckpoint(manager)
        self._job_id = job_id
        self._source = source
        self._folder = folder
        self._show = show
        self._results: dict[object, Result] = {}
        self._stages: dict[str, tuple[type[Result], Callable[[Report], Result]]] = {
            "validation": (Validation, self._validate_input),
            "analysis": (Analysis, self._analyze_video),
            "transcription": (Transcription, self._transcribe_audio),
            "highlight_detection": (Highlights, self._detect_highlights),
            "editing": (Editing, self._edit_video),
            "audio_normalization": (AudioNormalization, self._normalize_audio),
            "color_correction": (ColorCorrection, self._correct_colors),
            "export": (Export, self._export_final),
        }

    def run(self) -> Path:
        """Do what is left of the job and return the finished video."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._announce()
        trusted = True
        for stage in self._stages:
            trusted = trusted and self._restored(stage)
            if trusted:
                self._show.say(f"{stage}: skipped, done by an earlier run")
            else:
                self._do(stage)
        return Path(self._result(Export).file.path)

    def _announce(self) -> None:
        began = time.perf_counter()
        resume = self._checkpoint.get_resume_point(self._job_id)
        took = (time.perf_counter() - began) * 1000
        if resume is None:
            self._show.say(f"job {self._job_id}: new (looked up in {took:.1f} ms)")
        elif resume["is_complete"]:
            self._show.say(f"job {self._job_id}: complete (looked up in {took:.1f} ms)")
        else:
            stage = resume["resume_from_stage"]
            self._show.say(f"job {self._job_id}: resumes from {stage} (found in {took:.1f} ms)")

    def _restored(self, stage: str) -> bool:
        """Load a completed stage; False when it is to be done, for the first time or again."""
        if not self._checkpoint.should_skip_stage(self._job_id, stage):
            return False
        kind, _ = self._stages[stage]
        result = self._loaded(stage, kind)
        if problem := self._fault(result):
            self._show.say(f"{stage}: {problem}; this stage and all after it are done again")
            return False
        self._results[kind] = result
        return True

    def _loaded(self, stage: str, kind: type[AnyResult]) -> AnyResult:
        data = self._checkpoint.load_stage_data(self._job_id, stage)
        try:
            return msgspec.convert(data, kind)
        except msgspec.ValidationError as error:
            message = (
                f"job {self._job_id} has a checkpoint of {stage} that this editor did not write"
                f" ({error}): choose another job id"
            )
            raise UnusableCheckpointError(message) from error

    def _fault(self, result: Result) -> str | None:
        """Say why the file of a stage cannot be used; for the first stage that is the video."""
        if isinstance(result, Highlights):
            return None
        return fault(result.file, self._source if isinstance(result, Validation) else None)

    def _do(self, stage: str) -> None:
        kind, work = self._stages[stage]
        began = time.perf_counter()
        with (
            self._manager.atomic_checkpoint(self._job_id, stage) as data,
            self._show.stage(stage) as report,
        ):
            result = self._tried(stage, work, report)
            took = round(time.perf_counter() - began, 3)
            data.update(msgspec.to_builtins(result), processing_time=took)
        self._results[kind] = result
        self._show.say(f"{stage}: done in {took:.1f} s, {result}")

    def _tried(self, stage: str, work: Callable[[Report], AnyResult], report: Report) -> AnyResult:
        try:
            return work(report)
        except FFmpegError as error:
            raise EditorError(
                f"{stage} of {self._source} is not possible ({error.strerror}): see whether a "
                "player plays all of it, and convert it to another format first"
            ) from error

    def _result(self, kind: type[AnyResult]) -> AnyResult:
        result = self._results[kind]
        if not isinstance(result, kind):
            raise TypeError(result)
        return result

    def _validate_input(self, report: Report) -> Validation:
        return validate(self._source, report)

    def _analyze_video(self, report: Report) -> Analysis:
        return analyze(
            self._source, self._result(Validation), self._folder / "analysis.json", report
        )

    def _transcribe_audio(self, report: Report) -> Transcription:
        probe, analysis = self._result(Validation), self._result(Analysis)
        return transcribe(
            self._source, probe, analysis, self._folder / "transcription.json", report
        )

    def _detect_highlights(self, _report: Report) -> Highlights:
        probe = self._result(Validation)
        timeline = _read(self._result(Analysis).file, Timeline)
        words = _read(self._result(Transcription).file, list[Word])
        return detect(timeline, words, probe.duration, Fraction(probe.frame_rate))

    def _edit_video(self, report: Report) -> Editing:
        probe, segments = self._result(Validation), self._result(Highlights).segments
        return edit(self._source, probe, segments, self._folder / "editing.mov", report)

    def _normalize_audio(self, report: Report) -> AudioNormalization:
        source = Path(self._result(Editing).file.path)
        return normalize(source, self._folder / "audio_normalization.mov", report)

    def _correct_colors(self, report: Report) -> ColorCorrection:
        source = Path(self._result(AudioNormalization).file.path)
        probe, count = self._result(Validation), self._result(Editing).pictures
        return correct(source, probe, count, self._folder / "color_correction.mov", report)

    def _export_final(self, report: Report) -> Export:
        source = Path(self._result(ColorCorrection).file.path)
        probe, count = self._result(Validation), self._result(Editing).pictures
        return export(source, probe, count, self._folder / OUTPUT, report)


def _read(stored: StoredFile, kind: type[AnyJson]) -> AnyJson:
    return msgspec.json.decode(Path(stored.path).read_bytes(), type=kind)
