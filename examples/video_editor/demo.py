"""The main job, killed in the middle of a stage, and what the checkpoints made of it.

Run it from the root of the repository::

    python -m examples.video_editor.demo [VIDEO]

It starts the servers on a data folder of its own, runs the editor on the video, kills it with
SIGKILL while it edits, runs it again, and shows from the log what ran and what was skipped.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from subprocess import Popen

from rich.console import Console
from rich.table import Table

from checkpoint import CheckpointManager, Settings, SmartVideoEditorCheckpoint
from checkpoint.events.endpoints import running_endpoints
from checkpoint.events.errors import CheckpointError

from .editor import OUTPUT
from .terminal import standard_output

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "demo"
SAMPLE = Path(__file__).parent / "sample" / "sample.mp4"

KILLED_STAGE = "editing"
KILL_AT = 30
"""Percent of the stage that is done when the editor is killed."""

START_SECONDS = 60.0
STOP_SECONDS = 20.0
POLL_SECONDS = 0.05
FAILED, INTERRUPTED = 1, 130


class DemoError(Exception):
    """The demo cannot go on; the message says why."""


@dataclass(frozen=True)
class Completion:
    """A completed stage as the log has it: when, as which version, after how many seconds."""

    stage: str
    version: int
    at: datetime
    seconds: float


@dataclass(frozen=True)
class Story:
    """What the log says of a job, and how many seconds finding its resume point took."""

    completions: list[Completion]
    lookup: float

    @property
    def stages(self) -> list[str]:
        """The stages in the order of their completion."""
        return [completion.stage for completion in self.completions]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo and return the exit status: 0, 1 after a failure, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.video_editor.demo", description=str(__doc__).splitlines()[0]
    )
    parser.add_argument("video", nargs="?", type=Path, default=SAMPLE, help="default: a short clip")
    video = parser.parse_args(arguments).video
    if not video.is_file():
        parser.error(f"{video} is not a file: name a video")
    console = standard_output()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        show(console, video.resolve())
    except KeyboardInterrupt:
        console.print("interrupted; everything that was started has been stopped")
        return INTERRUPTED
    except (DemoError, CheckpointError, OSError) as error:
        console.print(f"failed: {error}", markup=False)
        return FAILED
    return 0


def show(console: Console, video: Path) -> None:
    """Start the servers, kill the editor once, let it finish, and tell the story."""
    began = time.perf_counter()
    job_id = f"demo-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    out = FOLDER / job_id
    with servers(console, FOLDER / "data") as endpoints:
        environment = {**os.environ, **endpoints}
        editor = Editor(console, environment, [str(video), "--job", job_id, "--out", str(out)])
        with CheckpointManager(Settings.from_env(environment)) as manager:
            console.rule("first run")
            editor.run_until_killed()
            before = read_story(manager, job_id)
            say_what_is_left(console, out, before)
            console.rule("second run, the same command")
            editor.run()
            console.rule("what the log says")
            tell(console, before, read_story(manager, job_id))
    console.print(f"The finished video: {out / OUTPUT}", markup=False)
    console.print(f"The demo took {time.perf_counter() - began:.0f} s.")


@contextmanager
def servers(console: Console, folder: Path) -> Iterator[Mapping[str, str]]:
    """Run `checkpoint up` for as long as the block lasts; yields where its servers are."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder.with_suffix(".log")
    command = (str(Path(sys.executable).with_name("checkpoint")), "up", "--data", str(folder))
    with (
        log.open("w", encoding="utf-8") as output,
        started(command, os.environ, output.fileno()) as process,
    ):
        with console.status("starting Valkey, Postgres and both workers"):
            endpoints = wait_for_endpoints(process, folder, log)
        console.print(f"Valkey, Postgres and both workers run; their log is {log}", markup=False)
        yield endpoints


def wait_for_endpoints(process: Popen[str], folder: Path, log: Path) -> Mapping[str, str]:
    """Return the servers' addresses once they answer."""
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        found = running_endpoints(folder) or {}
        if found.get("UP_PID") == str(process.pid):
            return found
        time.sleep(POLL_SECONDS)
    said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-5:]
    raise DemoError("\n".join((f"the servers did not start; {log} ends with:", *said)))


@contextmanager
def started(
    command: Sequence[str], environment: Mapping[str, str], output: int
) -> Iterator[Popen[str]]:
    """Run a child for as long as the block lasts.

    It has a session of its own, so that Ctrl-C reaches it once, through us and not beside us.
    """
    with Popen(
        command,
        cwd=ROOT,
        env={**environment, "PYTHONUTF8": "1"},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            stop(process)


def stop(process: Popen[str]) -> None:
    """End a child, politely first."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Editor:
    """The video editor as a child process."""

    def __init__(
        self, console: Console, environment: Mapping[str, str], arguments: Sequence[str]
    ) -> None:
        """Take what the editor is to be run with."""
        self._console = console
        self._environment = environment
        self._command = (sys.executable, "-m", "examples.video_editor", *arguments)

    def run(self) -> None:
        """Run the editor to its end. Raises DemoError when it fails."""
        with self._started() as process:
            for _ in self._lines(process):
                pass
            if process.wait() != 0:
                raise DemoError("the editor failed; its last line says why")

    def run_until_killed(self) -> None:
        """Run the editor and kill it in the middle of a stage."""
        with self._started() as process:
            for line in self._lines(process):
                stage, done = progress_of(line)
                if stage == KILLED_STAGE and done >= KILL_AT:
                    process.kill()
                    self._console.print(f"[bold red]SIGKILL[/] at {KILLED_STAGE}: {done} %")
                    break
            else:
                if process.wait() != 0:
                    raise DemoError("the editor failed; its last line says why")
                raise DemoError(
                    "the editor was done before it could be killed: name a longer video"
                )
            process.wait()

    def _started(self) -> AbstractContextManager[Popen[str]]:
        return started(self._command, self._environment, subprocess.PIPE)

    def _lines(self, process: Popen[str]) -> Iterator[str]:
        """Yield what the editor prints; progress is shown in place, the rest stays."""
        with self._console.status("") as status:
            for line in process.stdout or ():
                if progress_of(line)[0]:
                    status.update(line.strip())
                else:
                    self._console.print(f"  {line.rstrip()}", markup=False)
                yield line


def progress_of(line: str) -> tuple[str, int]:
    """Return the stage and the percentage of a line of progress; of any other, none and 0."""
    stage, _, done = line.strip().partition(": ")
    number = done.removesuffix(" %")
    return (stage, int(number)) if number != done and number.isdecimal() else ("", 0)


def say_what_is_left(console: Console, out: Path, story: Story) -> None:
    """Name what the log has of the killed run, and the files that it left half written."""
    console.print(f"completed in the log: {', '.join(story.stages)}")
    for path in sorted(out.glob("unfinished-*")):
        console.print(f"left behind: {path.name}, {path.stat().st_size:,} bytes, incomplete")


def read_story(manager: CheckpointManager, job_id: str) -> Story:
    """Read from the log what has been completed, and time the resume lookup."""
    completions = [
        Completion(
            stage=entry["event"]["stage"],
            version=entry["version"],
            at=entry["time"],
            seconds=entry["event"]["data"]["processing_time"],
        )
        for entry in manager.get_job_history(job_id)
        if entry["event"]["type"] == "stage_completed"
    ]
    checkpoint = SmartVideoEditorCheckpoint(manager)
    began = time.perf_counter()
    checkpoint.get_resume_point(job_id)
    return Story(completions, time.perf_counter() - began)


def tell(console: Console, before: Story, after: Story) -> None:
    """Print which stages ran and which were skipped, and what that saved."""
    table = Table("version", "stage", "run 1", "run 2", "seconds", "at (UTC)")
    for done in after.completions:
        killed = "killed" if done.stage == KILLED_STAGE else ""
        runs = ("done", "skipped") if done in before.completions else (killed, "done")
        completed = f"{done.at.astimezone(UTC):%H:%M:%S.%f}"[:-3]
        table.add_row(str(done.version), done.stage, *runs, f"{done.seconds:.2f}", completed)
    console.print(table)
    saved, whole = (sum(done.seconds for done in story.completions) for story in (before, after))
    console.print(f"Resume lookup: {before.lookup * 1000:.1f} ms.")
    console.print(
        f"Work saved: {saved:.1f} s in {len(before.stages)} stages that were not done again;"
        f" the second run did {whole - saved:.1f} s."
    )


if __name__ == "__main__":
    sys.exit(main())
