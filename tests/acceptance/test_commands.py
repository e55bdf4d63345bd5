"""The command line, as an operator uses it."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest
import redis
from click.shell_completion import ShellComplete
from command_line import run
from paced import PacedManager
from processes import environ, eventually, running, worker
from real_log import RealLog
from screen import Screen
from servers import NOWHERE

from checkpoint import CheckpointManager, Pipeline, Settings, UnsupportedServer
from checkpoint.cli import main
from checkpoint.embedded import Valkey
from checkpoint.events.keys import PartitionKeys, topic_meta


@pytest.fixture
def manager(settings: Settings) -> Iterator[CheckpointManager]:
    with PacedManager(settings) as manager:
        yield manager


def json_of(*words: str) -> Any:
    """Run a command with --json; return what it printed."""
    return json.loads(run(*words, "--json").stdout)


def completed(*words: str) -> list[str]:
    """Return what Tab offers for the last of the words."""
    shell = ShellComplete(main, {}, "checkpoint", "_CHECKPOINT_COMPLETE")
    return [item.value for item in shell.get_completions(list(words[:-1]), words[-1])]


def letters() -> list[str]:
    return run("deadletters", "list").output.splitlines()


def test_show_history_and_delete(manager: CheckpointManager) -> None:
    manager.save("job-1", "fetch", {"rows": 1}, took=2.0)
    with pytest.raises(ValueError, match="no"), manager.atomic_checkpoint("job-1", "clean"):
        raise ValueError("no")

    shown = run("show", "job-1").output
    assert "job-1  ✗ failed\n  version 2\n" in shown
    assert re.search(r"✓ fetch +2.0 s +1 +10 B +v1 ", shown)
    assert re.search(r"✗ clean .* 1 +- +v2 ", shown)
    assert "clean failed last with ValueError: no" in shown
    assert json_of("show", "job-1")["completed_stages"] == ["fetch"]

    lines = run("history", "job-1").output.splitlines()
    assert [line.split()[3] for line in lines] == ["v1", "v2"]
    assert lines[0].endswith("stage_completed  fetch, 10 B, 2.0 s")
    assert "stage_failed     clean, failure 1: ValueError: no" in lines[1]
    events = json_of("history", "job-1")["events"]
    assert [one["changes"]["added"] for one in events] == [["fetch"], []]

    assert run("delete", "job-1", "--yes").output == "job-1: forgets fetch, clean (failed)\n"
    again = run("delete", "job-1", "nope", "--yes")
    assert (again.exit_code, again.stdout) == (1, "job-1: has no live checkpoints\n")
    assert again.stderr == "Error: There is no job 'nope', and none is on record\n"
    gone = run("show", "job-1").stdout
    assert "job-1  - deleted\n  version 3\n" in gone
    assert re.search(r"\n  deleted \d{4}-.* \(\S+\)\nwhat it had:\n", gone)
    assert re.search(r"\n- fetch +2.0 s +1 +10 B +v1 ", gone)
    assert "pending" not in gone
    assert json_of("show", "job-1")["remaining_stages"] == []


def test_of_an_expired_job_there_is_when_that_was_and_what_it_had(settings: Settings) -> None:
    film = Pipeline("film", ["cut", "mix"])
    with CheckpointManager(replace(settings, ttl=0.2), pipeline=film) as hasty:
        hasty.save("film-1", "cut", {"scenes": 1}, took=2.0)
    log = RealLog(settings)
    log.store()
    log.close()
    shown = eventually(
        lambda: run("show", "film-1").stdout, wanted=lambda said: "- expired" in said
    )
    assert re.search(r"\n  expired \d{4}-.* \(\S+\)\nwhat it had:\n", shown)
    assert re.search(r"\n- cut +2.0 s +1 +12 B +v1 ", shown)
    assert "mix" not in shown
    assert [one["status"] for one in json_of("show", "film-1")["stages"]] == ["expired"]


def test_jobs_are_listed_page_by_page(manager: CheckpointManager) -> None:
    for number in range(5):
        manager.save(f"job-{number}", "fetch", {})
    first = run("jobs", "--limit", "3")
    assert [line.split()[0] for line in first.stdout.splitlines()] == [
        "JOB",
        "job-4",
        "job-3",
        "job-2",
    ]
    more = re.fullmatch(r"more: add --before (\S+)\n", first.stderr)
    assert more
    second = json_of("jobs", "--before", more[1])
    assert [one["job_id"] for one in second["jobs"]] == ["job-1", "job-0"]
    assert second["next"] is None
    assert run("jobs", "--before", "nonsense").exit_code == 1
    elsewhere = run("jobs", "--before", "99:1-1")
    assert (elsewhere.exit_code, elsewhere.stdout) == (1, "")
    assert "there are the partitions 0 to 7" in elsewhere.stderr
    assert run("jobs", "--idle", "soon").exit_code == 2


def test_jobs_are_filtered_and_their_json_is_stable(manager: CheckpointManager) -> None:
    with CheckpointManager(pipeline=Pipeline("film", ["cut", "mix"])) as film:
        cut = film.save("film-1", "cut", {})
        film.record_failure("film-1", "mix", OSError("disk full"))
    manager.save("job-1", "fetch", {})
    (found,) = json_of("jobs", "--status", "failed", "--pipeline", "film", "--stage", "mix")["jobs"]
    assert {name for name in found if name.endswith("_at")} == {
        "started_at",
        "last_event_at",
        "expires_at",
    }
    assert {name: one for name, one in found.items() if not name.endswith("_at")} == {
        "job_id": "film-1",
        "status": "failed",
        "pipeline": "film",
        "incarnation": str(cut.id),
        "version": 2,
        "completed_stages": ["cut"],
        "remaining_stages": ["mix"],
        "stage": "mix",
        "failures": 1,
        "error": "OSError",
        "message": "disk full",
        "owner": None,
        "forked_from": None,
    }
    assert "mix: OSError: disk full" in run("jobs", "--pipeline", "film").stdout
    assert run("jobs", "--status", "complete").stdout == "no such jobs\n"
    unknown = run("jobs", "--pipeline", "flim")
    assert (unknown.exit_code, unknown.stdout) == (0, "no such jobs\n")
    assert unknown.stderr == "No pipeline 'flim' is on record; on record are: 'film'\n"
    named = json_of("jobs", "--name", "FILM")["jobs"]
    assert [one["job_id"] for one in named] == ["film-1"]
    assert run("jobs", "--name", "").stderr.startswith("Error: A job's name is printable text")
    wrong = run("jobs", "--pipeline", "film", "--stage", "nope")
    assert wrong.exit_code == 1
    assert "'nope' is not a stage of 'film'; its stages are: cut, mix" in wrong.stderr


def test_a_job_is_shown_as_of_the_pipeline_that_was_named(manager: CheckpointManager) -> None:
    with CheckpointManager(pipeline=Pipeline("film", ["cut", "mix"])) as film:
        film.save("film-1", "cut", {})
    manager.save("job-1", "fetch", {})
    shown = run("show", "job-1", "--pipeline", "film").stdout
    assert "version 1, pipeline film\n" in shown
    assert "○ cut" in shown
    assert "✓ complete" in run("show", "film-1", "--stages", "cut").stdout


def test_a_stage_that_failed_before_it_was_completed_has_not_failed_last(
    manager: CheckpointManager,
) -> None:
    for _ in range(2):
        manager.record_failure("job-1", "fetch", OSError("no"))
    manager.save("job-1", "fetch", {})
    shown = run("show", "job-1").stdout
    assert "fetch failed 2 times before, the last with OSError: no\n" in shown


def test_explain_tells_what_a_run_would_do(manager: CheckpointManager) -> None:
    saved = manager.save("job-1", "fetch", {}, took=90.0)
    result = run("explain", "job-1", "--stages", "fetch, clean")
    assert re.search(rf"✓ skip  fetch +completed: v1, {saved.id} ", result.stdout)
    assert re.search(r"▸ run   clean +not completed", result.stdout)
    assert "1 stage skipped, 1m 30s saved; it would go on at clean" in result.stdout
    plan = json_of("explain", "job-1")
    assert (plan["resume_from_stage"], plan["is_declared"]) == (None, False)
    assert plan["saved_ms"] == 90_000
    assert "the stages with --stages a,b,c" in run("explain", "job-1").stderr
    unknown = run("explain", "job-1", "--pipeline", "film")
    assert unknown.exit_code == 1
    assert "The stages of pipeline 'film' are not on record; on record are: none" in unknown.stderr


def test_explain_reads_a_capsule_with_no_server(
    manager: CheckpointManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with CheckpointManager(pipeline=Pipeline("film", ["cut", "mix"])) as film:
        film.save("film-1", "cut", {})
    file = tmp_path / "film-1.capsule"
    assert run("export", "film-1", "--out", str(file)).exit_code == 0
    manager.close()
    monkeypatch.setenv("REDIS_URL", NOWHERE)
    plan = json_of("explain", "--capsule", str(file))
    assert (plan["job_id"], plan["resume_from_stage"]) == ("film-1", "mix")
    assert run("explain").exit_code == 2


def test_diff_names_what_became_of_a_job(manager: CheckpointManager) -> None:
    manager.save("job-1", "fetch", {"rows": 1})
    manager.save("job-1", "clean", {})
    manager.save("job-1", "fetch", {"rows": 2})
    assert run("diff", "job-1", "1", "3").stdout == "+ clean\n~ fetch\n    $.rows: 1 → 2\n"
    assert run("diff", "job-1", "2", "2").stdout == "no difference between versions 2 and 2\n"
    found = json_of("diff", "job-1", "1", "3")
    assert found["changed"]["fetch"] == [
        {"path": "$.rows", "kind": "changed", "before": 1, "after": 2}
    ]
    wrong = run("diff", "job-1", "1", "9")
    assert (wrong.exit_code, wrong.stdout) == (1, "")
    assert "Version 9 is not on record" in wrong.stderr
    assert "fetch, 10 B, again; $.rows: 1 → 2" in run("history", "job-1").stdout


def test_lag_shows_every_partition_of_both_consumers(manager: CheckpointManager) -> None:
    manager.save("job-1", "fetch", {})
    lags = json_of("lag")["lags"]
    assert len(lags) == 16
    behind = [one for one in lags if one["entries"]]
    assert {one["consumer"] for one in behind} == {"projector", "snapshotter"}
    assert all(re.fullmatch(r"\d+-\d+", one["last"]) for one in lags)
    assert run("lag").stdout.count("1 entry ") == 2


READING = (
    ("jobs",),
    ("show", "j"),
    ("watch",),
    ("explain", "j"),
    ("history", "j"),
    ("diff", "j", "1", "2"),
    ("lag",),
    ("deadletters", "list"),
    ("delete", "j"),
)


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_who_looks_into_a_log_that_is_not_there_creates_none(
    settings: Settings, command: tuple[str, ...]
) -> None:
    result = run(*command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"There is no log '{settings.namespace}' yet" in result.stderr
    with redis.Redis.from_url(settings.redis_url) as client:
        assert client.keys(f"{{{settings.namespace}*") == []


@pytest.mark.parametrize(
    "words",
    [
        ("show", "nope"),
        ("explain", "nope"),
        ("history", "nope"),
        ("diff", "nope", "1", "2"),
        ("replay", "nope"),
        ("replay", "nope", "--version", "1"),
        ("replay", "nope", "--at", "1h"),
        ("rewind", "nope", "fetch"),
        ("fork", "nope", "new"),
        ("export", "nope"),
        ("delete", "nope", "--yes"),
        ("rebuild", "--job", "nope"),
        ("verify", "nope"),
        ("verify", "nope", "--archive-only"),
    ],
    ids=" ".join,
)
def test_a_job_that_never_was_is_an_error_in_the_same_words(
    manager: CheckpointManager, words: tuple[str, ...]
) -> None:
    manager.save("job-1", "fetch", {})
    result = run(*words)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: There is no job 'nope', and none is on record\n"


def without_archive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save a job while no archive is configured."""
    monkeypatch.delenv("POSTGRES_URL")
    with CheckpointManager() as manager:
        manager.save("job-1", "fetch", {})


@pytest.mark.usefixtures("settings")
def test_without_an_archive_nobody_says_that_it_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    without_archive(monkeypatch)
    for words in (("show", "nope"), ("replay", "nope"), ("delete", "nope")):
        assert run(*words).stderr == "Error: There is no job 'nope'\n"


def test_nothing_that_a_job_says_reaches_the_terminal_as_more_than_text(
    manager: CheckpointManager,
) -> None:
    manager.save("[bold]job[/]", "<script>", {"a": "\x1b[31m"})
    manager.save("[bold]job[/]", "<script>", {"a": "\x1b]0;title\a"})
    manager.record_failure("[bold]job[/]", "[red]x", ValueError("\x1b[2J\nsecond"))
    commands = [("jobs",), ("show",), ("explain",), ("history",), ("diff", "1", "3")]
    for name, *versions in commands:
        words = () if name == "jobs" else ("[bold]job[/]", *versions)
        output = run(name, *words).output
        assert all(one.isprintable() or one == "\n" for one in output), name
    assert "[bold]job[/]" in run("jobs").stdout
    assert "ValueError: \\x1b[2J\\nsecond" in run("show", "[bold]job[/]").stdout


@pytest.mark.parametrize("command", ["jobs --limit 2000", "replay", "history job-0"])
def test_a_reader_that_has_enough_is_no_error(manager: CheckpointManager, command: str) -> None:
    manager.save_many([(f"job-{number:<100}", "fetch", {}) for number in range(2000)])
    manager.save_many([("job-0", "fetch", {"text": "x" * 100}) for _ in range(2000)])
    with running("-m", "checkpoint", *command.split(), **os.environ) as process:
        assert process.stdout
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == 0


def test_whoever_does_not_listen_stops_nothing_that_was_asked_for(
    manager: CheckpointManager,
) -> None:
    jobs = [f"job-{number}" for number in range(50)]
    manager.save_many((job, "fetch", {}) for job in jobs)
    command = f"{sys.executable} -m checkpoint delete --yes {' '.join(jobs)} | true"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert not any(manager.is_completed(job, "fetch") for job in jobs)


@pytest.mark.parametrize("command", ["--help", "jobs", "jobs --json", "replay", "show job-1"])
@pytest.mark.parametrize(
    ("output", "said"),
    [(">&-", "stdout is closed"), (">/dev/full", "stdout: No space left on device")],
)
def test_an_output_that_takes_nothing_is_an_error_in_one_line(
    manager: CheckpointManager, command: str, output: str, said: str
) -> None:
    manager.save("job-1", "fetch", {})
    shell = f"{sys.executable} -m checkpoint {command} {output}"
    done = subprocess.run(["/bin/sh", "-c", shell], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {said}")
    assert len(done.stderr.splitlines()) == 1


INTERRUPTED = """
import builtins, signal, os
true_import = builtins.__import__

def interrupted(name, *rest, **more):
    if name.endswith("deadletters"):
        os.kill(os.getpid(), signal.SIGINT)
    return true_import(name, *rest, **more)

builtins.__import__ = interrupted
from checkpoint.__main__ import main
main()
"""


def test_an_interruption_while_it_is_read_in_is_no_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (130, "")


def test_watch_tells_of_each_change_until_it_is_interrupted(
    manager: CheckpointManager, settings: Settings
) -> None:
    manager.save("job-1", "fetch", {})
    words = ("-m", "checkpoint", "watch", "--every", "0.1", "--json")
    with running(*words, **environ(settings)) as process:
        assert process.stdout
        first = json.loads(process.stdout.readline())
        manager.record_failure("job-1", "clean", OSError("no"))
        second = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
    assert [(one["status"], one["version"]) for one in (first, second)] == [
        ("running", 1),
        ("failed", 2),
    ]


def test_on_a_terminal_watch_draws_in_place_and_ends_well(
    manager: CheckpointManager, settings: Settings
) -> None:
    manager.save("job-1", "fetch", {})
    screen = Screen(("watch", "job-1", "--every", "0.1"), environ(settings))
    screen.shows("✓ fetch")
    manager.save("job-1", "clean", {})
    screen.shows("✓ clean")
    assert screen.interrupt() == 0
    assert "\x1b[1A" in screen.said  # it goes up again to draw over what it drew


def test_watch_shows_the_stages_around_the_one_that_is_next(settings: Settings) -> None:
    stages = [f"stage-{number}" for number in range(60)]
    with CheckpointManager(settings, pipeline=Pipeline("long", stages)) as manager:
        manager.save_many(("job-1", stage, {}) for stage in stages[:30])
    screen = Screen(("watch", "job-1"), environ(settings))
    screen.shows("stages after")
    assert screen.interrupt() == 0
    assert "✓ stage-29" in screen.text
    assert "○ stage-30" in screen.text
    assert "stages before" in screen.text
    assert "stage-0 " not in screen.text


@pytest.mark.parametrize(("colours", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_terminal_has_colours_and_eighty_columns(
    manager: CheckpointManager, settings: Settings, colours: dict[str, str], *, coloured: bool
) -> None:
    manager.record_failure("job-" + "x" * 100, "clean" * 10, OSError("disk full " * 20))
    screen = Screen(("jobs",), {**environ(settings), **colours})
    assert screen.ends() == 0
    assert ("\x1b[" in screen.said) is coloured
    assert max(map(len, screen.text.splitlines())) <= 80
    assert "\x1b" not in run("jobs").stdout


def test_on_a_terminal_delete_asks(manager: CheckpointManager, settings: Settings) -> None:
    manager.save("job-1", "fetch", {})

    def asked() -> Screen:
        assert manager.is_completed("job-1", "fetch")
        screen = Screen(("delete", "job-1"), environ(settings))
        screen.shows("Do this to 1 job? [y/N]")
        assert "job-1: forgets fetch" in screen.text
        return screen

    for words in (("delete", "job-1"), ("delete", "job-1", "nope")):
        unasked = run(*words, given="y\n")
        assert (unasked.exit_code, unasked.stdout) == (1, "job-1: forgets fetch\n")
        assert unasked.stderr.endswith("--yes does not ask\nNothing was done\n")
    refused, interrupted, accepted = asked(), asked(), asked()
    refused.press("n\r")
    assert refused.ends() == 1
    assert interrupted.interrupt() == 130
    assert manager.is_completed("job-1", "fetch")
    accepted.press("y\r")
    assert accepted.ends() == 0
    assert not manager.is_completed("job-1", "fetch")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_completion_for_every_shell(shell: str) -> None:
    assert "_CHECKPOINT_COMPLETE" in run("completion", shell).output


def test_the_names_of_jobs_are_completed(
    manager: CheckpointManager, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.save("film-1", "fetch", {})
    manager.save("song-1", "fetch", {})
    json_of("jobs")  # Redis knows the script from now on
    assert completed("show", "fi") == ["film-1"]
    assert sorted(completed("delete", "film-1", "")) == ["film-1", "song-1"]
    monkeypatch.setenv("CHECKPOINT_NAMESPACE", f"{settings.namespace}_other")
    assert completed("show", "") == []
    monkeypatch.setenv("REDIS_URL", NOWHERE)
    assert completed("show", "") == []


def test_the_help_has_every_command_in_a_section_and_the_exit_codes() -> None:
    output = run("--help").output
    assert all(f"\n  {name} " in output for name in main.commands)
    assert set(main.list_commands(click.Context(main))) == set(main.commands)
    assert "130" in output
    assert "..." not in output


def test_a_command_that_there_is_not_is_told_with_what_was_perhaps_meant() -> None:
    assert "No such command 'job'. Is 'jobs' meant?" in run("job").stderr
    assert run("frobnicate").stderr.endswith("Error: No such command 'frobnicate'.\n")


def test_a_loglevel_that_there_is_not_is_refused() -> None:
    wrong = run("worker", "projector", "--loglevel", "foo")
    assert wrong.exit_code == 2
    assert "'foo' is not one of 'debug', 'info', 'warning', 'error'" in wrong.stderr


def test_the_help_is_there_at_once() -> None:
    program = "import sys; import checkpoint.cli; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    heavy = {"psycopg", "faust", "rich", "aiohttp", "redis", "pyarrow", "prometheus_client"}
    assert heavy & set(done.stdout.split()) == set()


def test_what_is_away_is_told_beside_the_answer(
    manager: CheckpointManager, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.save("job-1", "fetch", {})
    with worker("snapshotter", environ(settings)):
        manager.save("job-1", "clean", {}, ack="durable")
    monkeypatch.setenv("REDIS_URL", NOWHERE)
    monkeypatch.setenv("CHECKPOINT_TIMEOUT", "1")
    for command in (("jobs",), ("show", "job-1"), ("history", "job-1")):
        result = run(*command)
        assert result.exit_code == 0, result.output
        assert "clean" in result.stdout
        assert result.stderr.startswith("The archive alone was asked. Redis could not be reached")


@pytest.mark.usefixtures("settings")
def test_an_error_is_one_line_and_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHECKPOINT_TTL", "soon")
    result = run("show", "job-1")
    assert result.exit_code == 1
    assert result.output.startswith("Error: CHECKPOINT_TTL='soon' cannot be used")
    assert len(result.output.splitlines()) == 1


def test_the_doctor_says_who_is_missing_and_then_that_all_is_well(
    manager: CheckpointManager, settings: Settings
) -> None:
    manager.save("job-1", "fetch", {})
    result = run("doctor")
    assert result.exit_code == 1
    assert "WRONG  projector: none runs: start one with `checkpoint worker projector`" in (
        result.output
    )
    with worker("projector", environ(settings)), worker("snapshotter", environ(settings)):
        findings = json_of("doctor")["findings"]
        wrong = [one for one in findings if not one["is_well"] and one["subject"] != "Redis"]
        assert wrong == []
        assert run("health", "projector").exit_code == 0


def test_the_doctor_says_if_redis_and_archive_are_of_different_logs(
    manager: CheckpointManager, settings: Settings
) -> None:
    manager.save("job-1", "fetch", {})
    with redis.Redis.from_url(settings.redis_url) as client:
        client.hset(topic_meta(settings.namespace), "id", "another")
    result = run("doctor")
    assert result.exit_code == 1
    assert "different logs: see that REDIS_URL and POSTGRES_URL belong together" in result.output
    assert "older log" not in result.output


def test_the_doctor_counts_restarts_and_not_partitions(settings: Settings, tmp_path: Path) -> None:
    with Valkey(tmp_path / "valkey") as valkey:
        restarted = replace(settings, redis_url=valkey.url)
        with CheckpointManager(restarted) as manager:
            manager.save("job-1", "fetch", {})
            log = RealLog(restarted)
            log.project()
            log.store()
            log.close()
            valkey.stop()
            valkey.start()
            with worker("snapshotter", environ(restarted)):
                found = eventually(
                    lambda: restarts(restarted), wanted=lambda found: bool(found["restarts"])
                )
    assert found["is_well"]
    assert "restarted or lost entries once" in found["detail"]
    assert [one["partitions"] for one in found["restarts"]] == [list(range(8))]


def restarts(settings: Settings) -> Any:
    """Return what the doctor says of the restarts of Redis."""
    said = run("doctor", "--json", **environ(settings)).stdout
    return next(one for one in json.loads(said)["findings"] if one["subject"] == "restarts")


@pytest.mark.usefixtures("settings")
def test_health_is_bad_without_a_worker() -> None:
    assert run("health", "snapshotter").exit_code == 1


def test_a_redis_that_evicts_is_refused_at_once(settings: Settings, tmp_path: Path) -> None:
    with Valkey(tmp_path / "valkey", options={"maxmemory-policy": "allkeys-lru"}) as valkey:
        evicting = replace(settings, redis_url=valkey.url)
        with (
            CheckpointManager(evicting) as manager,
            pytest.raises(UnsupportedServer, match="noeviction"),
        ):
            manager.save("job-1", "fetch", {})


def test_dead_letters_are_listed_shown_retried_and_discarded(
    manager: CheckpointManager, settings: Settings
) -> None:
    manager.save("job-1", "fetch", {})
    log = PartitionKeys(settings.namespace, 3).log
    with redis.Redis.from_url(settings.redis_url) as client:
        client.xadd(log, {"foo": b"\xff\x00"})
        client.xadd(log, {"event": b'{"type":"from_2030"}', "version": 1, "incarnation": ""})
    with worker("snapshotter", environ(settings)):
        lines = eventually(letters, wanted=lambda lines: len(lines) == 2)[::-1]
        manager.save("job-1", "clean", {}, ack="durable")
    first, second = (line.split()[0] for line in lines)
    assert "b'\\xff\\x00'" in run("deadletters", "show", first).output
    refused = run("deadletters", "retry", second)
    assert refused.exit_code == 1
    assert "from_2030" in refused.output
    assert "2 dead letters: see `checkpoint deadletters list`" in run("doctor").output
    unasked = run("deadletters", "discard", first, second)
    assert (unasked.exit_code, unasked.stdout) == (1, "")
    assert unasked.stderr.endswith("--yes does not ask\nNothing was done\n")
    unknown = run("deadletters", "discard", "--yes", first, "0:1-1")
    assert (unknown.exit_code, unknown.stderr) == (1, "Error: There is no dead letter 0:1-1\n")
    discarded = run("deadletters", "discard", "--yes", first, second)
    assert discarded.output == f"{first}: discarded\n{second}: discarded\n"
    assert run("deadletters", "list").output == "no dead letters\n"
    assert run("deadletters", "show", first).exit_code == 1
    assert run("deadletters", "show", "nonsense").exit_code == 2
