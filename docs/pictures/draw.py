"""Draw the pictures of the documentation, beside this file: the page's, and the terminal's.

`make pictures` runs it. It takes half a minute, for the jobs that are looked at are real ones on
real servers. Needs a Chromium.
"""  # noqa: INP001 - a script, run by its path

import os
import pty
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import redis
from playwright.sync_api import ViewportSize, sync_playwright
from rich.console import Console
from rich.text import Text

from checkpoint import CheckpointManager, Pipeline, Settings, SmartVideoEditorCheckpoint
from checkpoint.events.endpoints import running_endpoints
from checkpoint.events.keys import PartitionKeys

HERE = Path(__file__).parent
MOST_BYTES = 150_000
COLUMNS = 100
WIDTH = 1100
VIDEO = SmartVideoEditorCheckpoint.pipeline
REPORT = Pipeline("nightly-report", ("collect", "check", "render", "send"))
SHARES = (0.4, 2.0, 3.0, 1.0, 2.4, 0.6, 0.9, 1.6)
"""How long the stages take, in seconds, one after the other."""

PAGES = {
    "jobs": ("#/jobs", 680),
    "job": ("#/job/wedding-4k", 1180),
    "operations": ("#/operations", 760),
}
"""Where each picture is taken, and how high it is."""
COMMANDS = ("jobs", "show wedding-4k", "explain wedding-4k")


def main() -> None:
    """Run servers, make jobs and draw them."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("There is no Chromium here: on Debian, apt-get install chromium")
    with TemporaryDirectory(prefix="checkpoint-pictures-") as folder, up(Path(folder)) as page:
        env = {**os.environ, **(running_endpoints(Path(folder)) or {})}
        settings = Settings.from_env(env)
        with CheckpointManager(settings) as manager:
            make_jobs(manager)
        write_nonsense(settings)
        draw_terminal(env)
        draw_pages(page, chromium)
    for picture in sorted(HERE.glob("*.png")):
        size = picture.stat().st_size
        click.echo(f"{picture.name}: {size:,} bytes")
        if size > MOST_BYTES:
            raise SystemExit(
                f"{picture.name} is larger than {MOST_BYTES:,} bytes: make PAGES lower"
            )


@contextmanager
def up(folder: Path) -> Iterator[str]:
    """Run `checkpoint up` as long as the block does; yield the page's address."""
    command = [sys.executable, "-P", "-m", "checkpoint", "up", "--data", str(folder)]
    env = {**os.environ, "CHECKPOINT_PARTITIONS": "2"}  # so that the page's tables are short
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, encoding="utf-8") as process:
        try:
            assert process.stdout  # noqa: S101 - it was asked for
            said: dict[str, str] = {}
            for line in process.stdout:
                name, _, rest = line.strip().partition(": ")
                said[name] = rest
                if name == "ready":
                    break
            if "ready" not in said:
                raise SystemExit("`checkpoint up` did not start: its last words are above")
            yield said["page"]
        finally:
            process.terminate()


def make_jobs(manager: CheckpointManager) -> None:
    """Make jobs of two pipelines: complete, running, failed, held, rewound and forked ones."""
    click.echo("making jobs")
    manager.save_many((f"report-{day:02}", "collect", {"rows": 40 * day}) for day in range(1, 6))
    report = manager.for_pipeline(REPORT)
    for day in range(1, 5):
        go_through(report, f"report-{day:02}", REPORT.stages[: day % 4 + 1], 0.02)
    video = manager.for_pipeline(VIDEO)
    runs = [
        ("wedding-4k", VIDEO.stages, 1.0),
        ("interview-cut", VIDEO.stages[:6], 0.7),
        ("trailer-b", VIDEO.stages[:3], 0.5),
    ]
    threads = [threading.Thread(target=go_through, args=(video, *run)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    video.fork("wedding-4k", "wedding-short", "highlight_detection")
    video.rewind("interview-cut", "editing")
    fail(report, "report-05", "check", LookupError("branch 12 has no figures"))


def write_nonsense(settings: Settings) -> None:
    """Write an entry that is no event; wait until it is a dead letter."""
    with redis.Redis.from_url(settings.redis_url) as client:
        client.xadd(PartitionKeys(settings.namespace, 1).log, {"note": "written by hand"})
    time.sleep(2.0)


def go_through(manager: CheckpointManager, job: str, stages: tuple[str, ...], pace: float) -> None:
    """Take a job through some stages; one of them fails twice."""
    for stage, seconds in zip(stages, SHARES, strict=False):
        if job == "wedding-4k" and stage == "editing":
            for _ in range(2):
                fail(manager, job, stage, MemoryError("no memory for frame 14,302"), pace)
        with manager.atomic_checkpoint(job, stage) as data:
            time.sleep(seconds * pace)
            data.update({"seconds": seconds, "frames": round(seconds * 2400), "codec": "h264"})


def fail(
    manager: CheckpointManager, job: str, stage: str, error: Exception, seconds: float = 0.0
) -> None:
    """Let an attempt at a stage fail after some seconds."""
    with suppress(type(error)), manager.atomic_checkpoint(job, stage):
        time.sleep(seconds)
        raise error


def draw_pages(page: str, chromium: str) -> None:
    """Take a picture of each page, in light and in dark."""
    with sync_playwright() as driver, driver.chromium.launch(executable_path=chromium) as browser:
        for scheme in ("light", "dark"):
            for name, (where, height) in PAGES.items():
                size = ViewportSize(width=WIDTH, height=height)
                tab = browser.new_page(color_scheme=scheme, viewport=size)
                tab.goto(page + where)
                tab.get_by_role("heading", level=1).wait_for()
                tab.wait_for_timeout(1500)
                tab.screenshot(path=HERE / f"{name}-{scheme}.png")
                tab.close()


def draw_terminal(env: Mapping[str, str]) -> None:
    """Draw what each command writes to a terminal, as SVG."""
    for command in COMMANDS:
        nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
        screen = Console(record=True, width=COLUMNS, file=nowhere)
        screen.print(Text.from_ansi(f"$ checkpoint {command}\n{on_terminal(command, env)}"))
        drawn = screen.export_svg(title="", unique_id=command.split()[0])
        # no fonts from elsewhere: the reader's own monospaced one will do
        drawn = re.sub(r"@font-face \{.*?\}", "", drawn, flags=re.DOTALL)
        name = command.split()[0]
        (HERE / f"terminal-{name}.svg").write_text(
            drawn.replace("Fira Code", "ui-monospace"), encoding="utf-8"
        )


def on_terminal(command: str, env: Mapping[str, str]) -> str:
    """Run a command on a terminal of its own; return what it writes."""
    ours, its = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "checkpoint", *command.split()],
        env={**env, "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"},
        stdout=its,
    )
    os.close(its)
    written = b""
    with suppress(OSError):  # the end of a terminal is an error
        while part := os.read(ours, 65536):
            written += part
    os.close(ours)
    process.wait()
    return written.decode().replace("\r\n", "\n")


if __name__ == "__main__":
    main()
