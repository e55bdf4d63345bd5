"""rewind, fork, export and import, as an operator uses them."""

import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import run
from histories import FILM
from isolation import remove_namespace
from processes import environ
from screen import Screen

from checkpoint import CheckpointManager, Pipeline, Settings
from checkpoint.commands import bulk
from checkpoint.query.capsule import read_capsule


@pytest.fixture
def manager(settings: Settings) -> Iterator[CheckpointManager]:
    with CheckpointManager(settings, pipeline=FILM) as manager:
        yield manager


@pytest.fixture
def films(manager: CheckpointManager) -> CheckpointManager:
    """Let there be two complete films and one that failed."""
    for job in ("film-1", "film-2"):
        manager.save_many((job, stage, stage) for stage in FILM.stages)
    manager.save("film-3", "cut", "cut")
    manager.record_failure("film-3", "mix", OSError("no"))
    return manager


def test_rewind_says_what_is_to_be_done_again(films: CheckpointManager) -> None:
    dry = run("rewind", "film-1", "mix", "--dry-run")
    assert dry.stdout == "film-1: to be done again: mix, export\n"
    assert dry.stderr == "A dry run: 1 job would be changed\n"
    assert films.is_completed("film-1", "mix")
    assert run("rewind", "film-1", "mix").stdout == dry.stdout
    assert not films.is_completed("film-1", "mix")
    again = run("rewind", "film-1", "mix")
    assert (again.exit_code, again.stdout) == (0, "film-1: nothing from mix on was tried yet\n")


def test_what_cannot_be_rewound_is_one_line_and_exit_code_1(films: CheckpointManager) -> None:
    for words, said in (
        (("nope", "mix"), "Error: There is no job 'nope', and none is on record"),
        (("film-1", "sing"), "Error: 'sing' is not a stage of 'film'; its stages are: cut, mix"),
    ):
        result = run("rewind", *words)
        assert result.exit_code == 1
        assert result.stderr.startswith(said)
        assert len(result.stderr.splitlines()) == 1


@pytest.mark.usefixtures("films")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("rewind", "film-1"), "Expected JOB STAGE, or --all STAGE"),
        (("rewind", "--all", "film-1", "mix"), "Expected JOB STAGE, or --all STAGE"),
        (("rewind", "film-1", "mix", "--status", "failed"), "go with --all"),
        (("rewind", "--all", "mix", "--idle", "soon"), "'soon' is not a number with a unit"),
        (("rewind", "--all", "mix", "--status", "sad"), "'sad' is not one of"),
        (("rewind", "film-1", "mix", "--name", "film"), "go with --all"),
        (("delete",), "Expected JOB..., or --all"),
        (("delete", "--all", "film-1"), "Expected JOB..., or --all"),
        (("delete", "film-1", "--status", "failed"), "go with --all"),
        (("fork", "film-1"), "Expected JOB NEW, or --all --suffix TEXT"),
        (("fork", "--all"), "--all and --suffix go together"),
        (("fork", "film-1", "x", "--suffix", "-x"), "--all and --suffix go together"),
    ],
)
def test_how_the_commands_are_used_is_checked(words: tuple[str, ...], said: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert said in result.stderr


def test_an_order_can_be_given_for_an_open_pipeline(settings: Settings) -> None:
    with CheckpointManager(settings) as manager:
        manager.save_many(("job", stage, {}) for stage in ("b", "a"))
        assert run("rewind", "job", "a", "--stages", "a,b").stdout == (
            "job: to be done again: a, b\n"
        )


def test_rewinding_in_bulk_shows_asks_and_acts(
    films: CheckpointManager, settings: Settings
) -> None:
    words = ("rewind", "--all", "mix", "--status", "complete")
    unasked = run(*words, given="y\n")
    assert unasked.exit_code == 1
    assert "film-1: to be done again: mix, export\n" in unasked.stdout
    assert unasked.stderr == (
        "Do this to 2 jobs? There is no terminal to ask on: --yes does not ask\nNothing was done\n"
    )
    for answer, code in (("n", 1), ("y", 0)):
        assert films.is_completed("film-1", "mix")
        screen = Screen(words, environ(settings))
        screen.shows("Do this to 2 jobs? [y/N]")
        screen.press(f"{answer}\r")
        assert screen.ends() == code
        assert ("Nothing was done" in screen.text) is (code == 1)
    for job in ("film-1", "film-2"):
        assert not films.is_completed(job, "mix")
    assert len(films.get_job_history("film-3")) == 2


def test_a_dry_run_in_bulk_changes_nothing(films: CheckpointManager) -> None:
    result = run("rewind", "--all", "mix", "--within", "1h", "--dry-run")
    assert result.exit_code == 0
    assert set(result.stdout.splitlines()) == {
        "film-1: to be done again: mix, export",
        "film-2: to be done again: mix, export",
        "film-3: to be done again: mix",
    }
    assert result.stderr == "A dry run: 3 jobs would be changed\n"
    assert films.is_completed("film-2", "mix")
    assert run("rewind", "--all", "mix", "--idle", "1h", "--dry-run").stdout == ""


def test_deleting_in_bulk_shows_asks_and_acts(films: CheckpointManager, settings: Settings) -> None:
    words = ("delete", "--all", "--name", "FILM-", "--status", "complete")
    dry = run(*words, "--dry-run")
    plans = {f"film-{number}: forgets cut, mix, export" for number in (1, 2)}
    assert (dry.exit_code, set(dry.stdout.splitlines())) == (0, plans)
    assert dry.stderr == "A dry run: 2 jobs would be changed\n"
    unasked = run(*words, given="y\n")
    assert (unasked.exit_code, set(unasked.stdout.splitlines())) == (1, plans)
    assert unasked.stderr.endswith("--yes does not ask\nNothing was done\n")
    for answer, code in (("n", 1), ("y", 0)):
        assert films.is_completed("film-1", "cut")
        screen = Screen(words, environ(settings))
        screen.shows("Do this to 2 jobs? [y/N]")
        screen.press(f"{answer}\r")
        assert screen.ends() == code
    assert not films.is_completed("film-1", "cut")
    assert not films.is_completed("film-2", "cut")
    assert films.is_completed("film-3", "cut")
    assert run("delete", "--all", "--yes").stdout == "film-3: forgets cut, mix (failed)\n"
    assert run("delete", "--all", "--yes").output == "no such jobs\n"


def test_a_job_that_is_held_is_not_deleted(films: CheckpointManager) -> None:
    with films.claim("film-1", owner="worker-7"):
        dry = run("delete", "film-1", "--dry-run")
        assert dry.stdout == "film-1: claimed by worker-7: it would be refused\n"
        result = run("delete", "--all", "--yes")
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 2
    assert result.stderr.startswith("Error: Job 'film-1' is claimed by 'worker-7'")
    assert films.is_completed("film-1", "cut")


def test_a_job_that_goes_on_while_somebody_is_asked_is_not_deleted_in_bulk(
    films: CheckpointManager, settings: Settings
) -> None:
    screen = Screen(("delete", "--all", "--status", "failed"), environ(settings))
    screen.shows("Do this to 1 job? [y/N]")
    films.save("film-3", "mix", "mix")
    screen.press("y\r")
    assert screen.ends() == 1
    assert "Error: Job 'film-3' is at version 3" in screen.text.replace("\n", " ")
    assert films.is_completed("film-3", "mix")


def test_a_job_that_refuses_does_not_stop_the_others(films: CheckpointManager) -> None:
    with films.claim("film-1", owner="worker-7"):
        result = run("rewind", "--all", "mix", "--pipeline", "film", "--yes")
    assert result.exit_code == 1
    assert set(result.stdout.splitlines()) == {
        "film-2: to be done again: mix, export",
        "film-3: to be done again: mix",
    }
    assert result.stderr.startswith("Error: Job 'film-1' is claimed by 'worker-7'")
    assert films.is_completed("film-1", "mix")


def test_deleted_jobs_are_meant_only_if_they_are_named(films: CheckpointManager) -> None:
    films.delete_job_checkpoints("film-1")
    assert run("rewind", "--all", "mix", "--yes").exit_code == 0
    left = run("rewind", "--all", "mix", "--yes", "--status", "deleted")
    assert (left.exit_code, left.stdout) == (0, "")
    assert left.stderr == "1 job left out: not live, or without such a stage\n"


def test_jobs_without_the_stage_are_left_out_in_bulk(
    films: CheckpointManager, settings: Settings
) -> None:
    with CheckpointManager(settings, pipeline=Pipeline("song", ("write", "sing"))) as songs:
        songs.save("song-1", "write", {})
    dry = run("rewind", "--all", "mix", "--dry-run")
    assert "song-1" not in dry.stdout
    assert dry.stderr == (
        "1 job left out: not live, or without such a stage\nA dry run: 3 jobs would be changed\n"
    )
    done = run("rewind", "--all", "mix", "--yes")
    assert done.exit_code == 0
    assert done.stderr == "1 job left out: not live, or without such a stage\n"
    assert not films.is_completed("film-1", "mix")


def test_a_dry_run_says_which_jobs_are_claimed(films: CheckpointManager) -> None:
    with films.claim("film-1", owner="worker-7"):
        dry = run("rewind", "--all", "mix", "--dry-run")
    assert "film-1: claimed by worker-7: it would be refused\n" in dry.stdout
    assert dry.stderr == "A dry run: 2 jobs would be changed\n"
    assert "claimed" not in run("rewind", "film-1", "mix", "--dry-run").stdout


def test_a_job_that_went_on_after_it_was_shown_is_left_alone(
    films: CheckpointManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    def agree(_: str) -> None:
        films.save("film-2", "cut", "meanwhile")

    monkeypatch.setattr(bulk, "confirm", agree)
    result = run("rewind", "--all", "mix", "--status", "complete")
    assert result.exit_code == 1
    assert "Job 'film-2' is at version 4, not at the expected one" in result.stderr
    assert films.is_completed("film-2", "mix")
    assert not films.is_completed("film-1", "mix")


def test_fork_singly_and_in_bulk(films: CheckpointManager) -> None:
    assert run("fork", "film-1", "film-9", "--at", "mix").stdout == (
        "film-1: film-9 begins with cut, mix\n"
    )
    again = run("fork", "film-1", "film-9")
    assert (again.exit_code, again.stderr) == (
        1,
        "Error: Job 'film-9' lives already: delete it first, or name another\n",
    )
    itself = run("fork", "film-1", "film-1")
    assert (itself.exit_code, itself.stderr) == (
        1,
        "Error: Job 'film-1' cannot be forked to itself: name another\n",
    )
    many = run("fork", "--all", "--suffix", "-retry", "--status", "failed", "--yes")
    assert many.stdout == "film-3: film-3-retry begins with cut\n"
    assert films.load("film-3-retry", "cut") == "cut"


def test_a_job_goes_through_a_file(
    films: CheckpointManager, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "film.capsule"
    assert run("export", "film-3", "--out", str(file)).stdout == f"film-3: 2 entries in {file}\n"
    assert (
        file.read_bytes().splitlines()[1:-1]
        == run("export", "film-3").stdout_bytes.splitlines()[1:-1]
        == run("export", "film-3", "--out", "-").stdout_bytes.splitlines()[1:-1]
    )
    assert [one.name for one in tmp_path.iterdir()] == ["film.capsule"]
    came = run("import", str(file), "--as", "film-4").stdout
    assert re.fullmatch(r"film-4: goes on after cut; expires .* UTC \(in 24h\)\n", came)
    assert run("import", str(file)).stderr == (
        "Error: Job 'film-3' lives here already: give the other one another name with --as\n"
    )
    there = replace(settings, namespace=f"{settings.namespace}_there")
    monkeypatch.setenv("CHECKPOINT_NAMESPACE", there.namespace)
    imported = run("import", "-", given=file.read_bytes())
    assert imported.stdout.startswith("film-3: goes on after cut; expires ")
    with CheckpointManager(there) as manager:
        assert manager.load("film-3", "cut") == "cut"
    remove_namespace(there.redis_url, there.namespace)


@pytest.mark.usefixtures("films")
def test_what_is_wrong_with_a_capsule_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "film.capsule"
    run("export", "film-1", "--out", str(file))
    file.write_bytes(file.read_bytes()[:-30])
    result = run("import", str(file), "--as", "film-9")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: The capsule is truncated")


@pytest.mark.usefixtures("films")
def test_a_failed_export_leaves_no_file(tmp_path: Path) -> None:
    file = tmp_path / "film.capsule"
    result = run("export", "nope", "--out", str(file))
    assert (result.exit_code, result.stderr) == (
        1,
        "Error: There is no job 'nope', and none is on record\n",
    )
    assert list(tmp_path.iterdir()) == []
    unwritable = run("export", "film-1", "--out", str(tmp_path / "no" / "film.capsule"))
    assert unwritable.exit_code == 1
    assert unwritable.stderr.endswith(f"there is no folder {tmp_path / 'no'}\n")


@pytest.mark.usefixtures("films")
def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(pipe.read_bytes)
        result = run("export", "film-1", "--out", str(pipe))
        assert result.exit_code == 0, result.stderr
        assert read_capsule(read.result()).job == "film-1"
    assert pipe.is_fifo()
    assert [one.name for one in tmp_path.iterdir()] == ["pipe"]


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize("words", [("rewind", "a", "b"), ("fork", "a", "b"), ("export", "a")])
def test_a_log_that_is_not_there_is_not_made(words: tuple[str, ...], settings: Settings) -> None:
    for _ in range(2):
        result = run(*words)
        assert result.exit_code == 1
        assert f"There is no log '{settings.namespace}' yet" in result.stderr
