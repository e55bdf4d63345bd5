"""The crash that all of this is for: the test that the usage guide names."""

import subprocess
import sys
from collections.abc import Iterator
from textwrap import dedent

import pytest

from checkpoint import CheckpointManager, Settings, SmartVideoEditorCheckpoint

WORKER = dedent(
    """
    import os, signal, sys
    from checkpoint import CheckpointManager, SmartVideoEditorCheckpoint

    checkpoint = SmartVideoEditorCheckpoint(CheckpointManager())
    die_in = sys.argv[1]
    for stage in checkpoint.pipeline.stages:
        if checkpoint.should_skip_stage("job-1", stage):
            print("skipped", stage, flush=True)
            continue
        if stage == die_in:
            os.kill(os.getpid(), signal.SIGKILL)
        checkpoint.save_stage_data("job-1", stage, ran_by=os.getpid())
        print("ran", stage, flush=True)
    """
)


@pytest.fixture
def environment(redis_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("CHECKPOINT_NAMESPACE", namespace)
    monkeypatch.delenv("POSTGRES_URL", raising=False)


def run(die_in: str = "") -> tuple[int, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", WORKER, die_in], capture_output=True, text=True, check=False
    )
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout.splitlines()


@pytest.mark.usefixtures("environment")
class TestSmartVideoEditorCheckpoint:
    @pytest.fixture
    def checkpoint(self) -> Iterator[SmartVideoEditorCheckpoint]:
        with CheckpointManager(Settings.from_env()) as manager:
            yield SmartVideoEditorCheckpoint(manager)

    def test_crash_recovery_simulation(self, checkpoint: SmartVideoEditorCheckpoint) -> None:
        stages = list(checkpoint.pipeline.stages)

        code, lines = run(die_in="editing")
        assert code == -9
        assert lines == [f"ran {stage}" for stage in stages[:4]]

        resume = checkpoint.get_resume_point("job-1")
        assert resume is not None
        assert resume["resume_from_stage"] == "editing"
        assert resume["last_completed_stage"] == "highlight_detection"

        code, lines = run()
        assert code == 0
        assert lines == [f"skipped {stage}" for stage in stages[:4]] + [
            f"ran {stage}" for stage in stages[4:]
        ]
        resume = checkpoint.get_resume_point("job-1")
        assert resume is not None
        assert resume["is_complete"]
