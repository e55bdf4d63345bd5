"""What the editor prints where nobody sees a bar, and what the demo reads of it."""

from io import StringIO

import pytest
from rich.console import Console

from examples.video_editor.demo import progress_of
from examples.video_editor.terminal import Terminal


def test_without_a_terminal_a_stage_prints_every_percent_once() -> None:
    output = StringIO()
    with Terminal(Console(file=output)).stage("editing") as report:
        for done in (0.0, 0.001, 0.1, 0.109, 0.35, 0.999, 1.0):
            report(done)
    lines = output.getvalue().splitlines()
    assert lines == ["editing: 0 %", "editing: 10 %", "editing: 35 %", "editing: 99 %"]
    assert [progress_of(line) for line in lines][-1] == ("editing", 99)


def test_with_a_terminal_a_stage_is_a_bar() -> None:
    output = StringIO()
    with Terminal(Console(file=output, force_terminal=True)).stage("editing") as report:
        report(0.5)
    assert "50%" in output.getvalue()


def test_names_are_no_markup() -> None:
    output = StringIO()
    Terminal(Console(file=output)).say("[red]job[/red]")
    assert output.getvalue() == "[red]job[/red]\n"


@pytest.mark.parametrize("line", ["", "editing: done in 2 s", "job a: new", "failed: 3 %d", "x: %"])
def test_other_lines_are_no_progress(line: str) -> None:
    assert progress_of(line) == ("", 0)
