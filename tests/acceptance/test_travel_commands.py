"""rewind, fork, export and import, as an operator uses them."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from isolation import remove_namespace
from processes import environ

from checkpoint import CheckpointManager, Pipeline, Settings
from checkpoint.cli import main
from checkpoint.query.capsule import read_capsule

FILM = Pipeline("film", ("cut", "mix", "export"))


@pytest.fixture
def settings(
    redis_url: str, postgres_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    settings = Settings(redis_url=redis_url, postgres_url=postgres_url, namespace=namespace)
    for name, value in environ(settings).items():
        monkeypatch.setenv(name, value)
    return settings


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


def run(*words: str, given: str = "") -> Result:
    return CliRunner().invoke(main, words, input=given)


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
        (("nope", "mix"), "Error: Job 'nope' has no live checkpoints: it never existed"),
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


def test_rewinding_in_bulk_shows_asks_and_acts(films: CheckpointManager) -> None:
    refused = run("rewind", "--all", "mix", "--status", "complete", given="n\n")
    assert refused.exit_code == 1
    assert "film-1: to be done again: mix, export\n" in refused.stdout
    assert "Do this to 2 jobs? [y/N]" in refused.stdout
    assert refused.stderr == "Nothing was done\n"
    assert films.is_completed("film-1", "mix")
    agreed = run("rewind", "--all", "mix", "--status", "complete", given="y\n")
    assert agreed.exit_code == 0
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
    assert run("rewind", "--all", "mix", "--yes", "--status", "deleted").exit_code == 1


def test_a_job_that_went_on_after_it_was_shown_is_left_alone(
    films: CheckpointManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    def agree(*_: object, **__: object) -> bool:
        films.save("film-2", "cut", "meanwhile")
        return True

    monkeypatch.setattr(click, "confirm", agree)
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
        == (run("export", "film-3").stdout_bytes.splitlines()[1:-1])
    )
    assert [one.name for one in tmp_path.iterdir()] == ["film.capsule"]
    assert run("import", str(file), "--as", "film-4").stdout == "film-4: goes on after cut\n"
    there = replace(settings, namespace=f"{settings.namespace}_there")
    monkeypatch.setenv("CHECKPOINT_NAMESPACE", there.namespace)
    imported = CliRunner().invoke(main, ["import", "-"], input=file.read_bytes())
    assert imported.stdout == "film-3: goes on after cut\n"
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
        "Error: Job 'nope' has no events on record\n",
    )
    assert list(tmp_path.iterdir()) == []
    unwritable = run("export", "film-1", "--out", str(tmp_path / "no" / "film.capsule"))
    assert unwritable.exit_code == 1
    assert "cannot be written" in unwritable.stderr


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
