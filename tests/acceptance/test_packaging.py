"""The wheel, installed elsewhere, works as the checkout does and harms nobody."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from textwrap import dedent

import pytest
from snippets import ROOT

RESUME = dedent(
    """
    import checkpoint, sys
    from checkpoint import CheckpointManager, SmartVideoEditorCheckpoint
    assert checkpoint.__file__.startswith(sys.prefix), checkpoint.__file__
    with CheckpointManager() as manager:
        editor = SmartVideoEditorCheckpoint(manager)
        manager.wait_until_durable(editor.save_stage_data("job-1", "validation", codec="h264"))
        print(editor.get_resume_point("job-1")["resume_from_stage"])
    """
)


def run(*command: str | Path, cwd: Path = ROOT, **environ: str) -> str:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environ}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment_with(folder: Path, *packages: str | Path) -> Path:
    """Make a virtual environment of `packages`, whose dependencies are those of this one."""
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin" / "python"
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    Path(site, "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    pip = ("-m", "pip", "--disable-pip-version-check", "--python", python)
    run(sys.executable, *pip, "install", "--quiet", "--no-deps", *packages)
    return python


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an environment with the built wheel and PyPI's `Events`."""
    folder = tmp_path_factory.mktemp("packaging")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT)
    (wheel,) = folder.glob("*.whl")
    return environment_with(folder / "venv", wheel, "Events")


def test_the_wheel_brings_one_command(python: Path) -> None:
    assert run(python.parent / "checkpoint", "--version").startswith("checkpoint, version ")


@pytest.mark.usefixtures("settings")
def test_the_wheel_saves_archives_and_resumes(python: Path, tmp_path: Path) -> None:
    worker = subprocess.Popen([python.parent / "checkpoint", "worker", "snapshotter"], cwd=tmp_path)
    try:
        assert run(python, "-c", RESUME, cwd=tmp_path) == "analysis\n"
    finally:
        worker.terminate()
        assert worker.wait(30) == 0


def test_it_sits_beside_pypis_events(python: Path, tmp_path: Path) -> None:
    code = "import checkpoint.events.keys, events; print(events.Events.__name__)"
    assert run(python, "-c", code, cwd=tmp_path) == "Events\n"


def test_it_sits_beside_an_applications_own_folders(python: Path, tmp_path: Path) -> None:
    for name in ("events", "query", "projector", "snapshotter"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"whose = 'the application, {name}'")
    code = "import checkpoint, checkpoint.query.resume, events, query; print(events.whose)"
    assert run(python, "-c", code, cwd=tmp_path) == "the application, events\n"
