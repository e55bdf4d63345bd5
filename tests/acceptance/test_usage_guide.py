"""The usage guide, word for word: every snippet runs as it stands in the file."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from snippets import ROOT, Snippet, snippets

GUIDE = "docs/usage-guide.md"
STAGES = [
    "validation",
    "analysis",
    "transcription",
    "highlight_detection",
    "editing",
    "audio_normalization",
    "color_correction",
    "export",
]


class Database:
    """What the guide's editor calls its own: the user's database of jobs."""

    def __init__(self) -> None:
        self.updates: list[tuple[str, dict[str, Any], dict[str, Any]]] = []

    def update(self, table: str, values: dict[str, Any], where: dict[str, Any]) -> None:
        self.updates.append((table, values, where))


def under(heading: str) -> Snippet:
    return next(one for one in snippets(GUIDE) if one.heading == heading)


@pytest.fixture
def guide(
    redis_url: str, postgres_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SimpleNamespace]:
    """Run the set-up snippet in an environment that names the servers; give its names."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("POSTGRES_URL", postgres_url)
    monkeypatch.setenv("CHECKPOINT_NAMESPACE", namespace)
    names: dict[str, Any] = {"Database": Database, "logger": logging.getLogger("guide")}

    def run(heading: str, **more: Any) -> dict[str, Any]:
        names.update(more)
        exec(compile(under(heading).text, f"{GUIDE}: {heading}", "exec"), names)  # noqa: S102 - the point
        return names

    run("Setting Up Checkpoints")
    yield SimpleNamespace(run=run, names=names)
    names["checkpoint_mgr"].close()


def test_the_guide_has_the_snippets_that_are_run_here() -> None:
    blocks = snippets(GUIDE)
    assert [one.language for one in blocks] == ["python"] * 8 + ["bash"]
    assert len({one.heading for one in blocks}) == len(blocks)


def test_saving_and_resuming(guide: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    guide.run("Saving Checkpoints")
    names = guide.run("Resuming from Checkpoint")
    assert capsys.readouterr().out == (
        "Resuming from stage: transcription\nLast completed: analysis\n"
    )
    assert names["previous_data"]["highlights"][1] == {"start": 120, "end": 180, "score": 0.85}
    assert names["resume_info"]["stage_data"]["validation"] == {
        "duration": 120.5,
        "codec": "h264",
        "resolution": "1920x1080",
        "fps": 30,
        "valid": True,
    }


def test_a_job_without_checkpoints_has_no_resume_point(
    guide: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guide.run("Resuming from Checkpoint")["resume_info"] is None
    assert capsys.readouterr().out == ""


def test_checking_stage_completion(guide: SimpleNamespace) -> None:
    ran: list[str] = []

    def perform_analysis() -> int:
        ran.append("analysis")
        return 15

    for _ in range(2):
        names = guide.run("Checking Stage Completion", perform_analysis=perform_analysis)
        assert names["segments"] == 15
    assert ran == ["analysis"]


class Steps:
    """What the guide leaves to the user: the six other stages, and restoring state."""

    calls: list[str]
    fail_in = ""

    def step(self, stage: str) -> dict[str, Any]:
        self.calls.append(stage)
        if stage == self.fail_in:
            raise RuntimeError(f"no {stage} today")
        return {"done": stage}

    def restore_state(self, data: dict[str, Any]) -> None:
        self.restored = data

    def transcribe_audio(self, job_id: str, input_path: str) -> dict[str, Any]:
        return self.step("transcription")

    def detect_highlights(self, job_id: str, input_path: str) -> dict[str, Any]:
        return self.step("highlight_detection")

    def edit_video(self, job_id: str, input_path: str) -> dict[str, Any]:
        return self.step("editing")

    def normalize_audio(self, job_id: str, input_path: str) -> dict[str, Any]:
        return self.step("audio_normalization")

    def correct_colors(self, job_id: str, input_path: str) -> dict[str, Any]:
        return self.step("color_correction")

    def export_final(self, job_id: str, input_path: str) -> dict[str, Any]:
        return self.step("export")


def test_the_guides_editor_fails_resumes_finishes_and_then_does_nothing(
    guide: SimpleNamespace,
) -> None:
    names = guide.run("SmartVideoEditor Integration Example")
    editor_class = type("Editor", (names["SmartVideoEditor"], Steps), {})

    broken = editor_class()
    broken.calls, broken.fail_in = [], "editing"
    with pytest.raises(RuntimeError, match="no editing today"):
        broken.run("job-9", "in.mp4")
    assert broken.calls == ["transcription", "highlight_detection", "editing"]
    assert broken.db.updates[-1][1] == {"status": "failed", "error_message": "no editing today"}

    resumed = editor_class()
    resumed.calls = []
    resumed.run("job-9", "in.mp4")
    assert resumed.restored == {"done": "highlight_detection"}
    assert resumed.calls == ["editing", "audio_normalization", "color_correction", "export"]

    finished = editor_class()
    finished.calls = []
    finished.run("job-9", "in.mp4")
    assert finished.calls == []
    assert finished.db.updates == []


def test_atomic_operations(guide: SimpleNamespace) -> None:
    ran: list[int] = []
    steps = {f"process_step_{n}": lambda n=n: ran.append(n) for n in (1, 2, 3)}
    guide.run("Atomic Operations", job_id="job-5", **steps)
    assert ran == [1, 2, 3]
    progress = guide.names["checkpoint_mgr"].get_job_progress("job-5")
    assert progress["completed_stages"] == ["critical_stage"]


def test_an_atomic_operation_that_fails_saves_nothing(guide: SimpleNamespace) -> None:
    def fail() -> None:
        raise ValueError("step 2")

    steps = {"process_step_1": lambda: None, "process_step_2": fail}
    with pytest.raises(ValueError, match="step 2"):
        guide.run("Atomic Operations", job_id="job-5", **steps)
    progress = guide.names["checkpoint_mgr"].get_job_progress("job-5")
    assert progress["completed_stages"] == []
    assert progress["failures"][0]["stage"] == "critical_stage"
    assert progress["failures"][0]["error"] == "ValueError"


def test_monitoring_and_cleaning_up(
    guide: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    guide.run("Saving Checkpoints")
    guide.run("Monitoring Progress", job_id="job-123")
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "Job: job-123",
        "Completed stages: ['validation', 'analysis']",
        "Last stage: analysis",
    ]
    assert [line.split(":")[0] for line in lines[3:]] == ["  validation", "  analysis"]

    names = guide.run("Best Practices", job_id="job-123")
    assert names["editor_checkpoint"].get_resume_point("job-123") is None


@pytest.mark.parametrize("line", under("Testing Crash Recovery").text.splitlines())
def test_the_guides_pytest_commands_pass(line: str) -> None:
    if not line.startswith("pytest "):
        return
    command = [sys.executable, "-m", *line.split()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_stages_are_those_of_the_guide(guide: SimpleNamespace) -> None:
    text = (ROOT / GUIDE).read_text()
    listed = [
        line.split("`")[1] for line in text.splitlines() if line[:1].isdigit() and "→" in line
    ]
    assert listed == STAGES == list(guide.names["editor_checkpoint"].pipeline.stages)
