"""The README's code blocks do what it says."""

import re
import shlex
import subprocess
import sys

import pytest
from processes import environ, worker
from snippets import ROOT, snippets

from checkpoint import Settings
from checkpoint.cli import main
from checkpoint.events.settings import VARIABLES

README = "README.md"
BASH = [one.text for one in snippets(README) if one.language == "bash"]
COMMANDS = [line for text in BASH for line in text.splitlines()]


PYTHON = [one.text for one in snippets(README) if one.language == "python"]


@pytest.mark.parametrize(
    ("block", "output"), list(zip(PYTHON, ["True\n", "{'url': '/9'}\n", ""], strict=True))
)
def test_the_python_runs_and_runs_again(settings: Settings, block: str, output: str) -> None:
    with worker("snapshotter", environ(settings)):
        for _ in range(2):
            done = subprocess.run(
                [sys.executable, "-c", block], capture_output=True, text=True, check=False
            )
            assert (done.stderr, done.stdout) == ("", output)


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("make ")])
def test_make_has_the_targets(line: str) -> None:
    done = subprocess.run(
        ["make", "--dry-run", *shlex.split(line)[1:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "line", [line.rstrip("& ") for line in COMMANDS if line.startswith("checkpoint ")]
)
def test_the_command_line_has_the_commands(line: str) -> None:
    with pytest.raises(SystemExit) as end:
        main([*shlex.split(line)[1:], "--help"])
    assert end.value.code == 0


def test_every_variable_is_documented() -> None:
    text = (ROOT / README).read_text()
    named = set(re.findall(r"`(CHECKPOINT_\w+)`", text))
    assert named == {variable for variable, _ in VARIABLES.values()}


def test_the_files_that_are_linked_exist() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / README).read_text())
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
