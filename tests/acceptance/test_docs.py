"""The documentation does what it says: every block runs, page by page, and the site builds.

The blocks of a page run in order, in a folder of the page's own, on one log with both workers for
all pages. A block of Python is a program, or the file that its title names. A block of text right
after one that runs is what that one prints, but for times, entry ids and digests; a line `…` stands
for any lines.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import pytest
from isolation import database, remove_namespace
from processes import environ, running
from servers import Servers
from snippets import ROOT, Snippet, snippets

from checkpoint import Settings
from checkpoint.events import errors

USAGE_GUIDE = ROOT / "docs/usage-guide.md"  # test_usage_guide.py runs it
DOCUMENTS = sorted(page for page in (ROOT / "docs").rglob("*.md") if page != USAGE_GUIDE)
COMMANDS = {"python": [sys.executable, "-c"], "bash": ["bash", "-euo", "pipefail", "-c"]}
NAMES = [str(page.relative_to(ROOT)) for page in DOCUMENTS]
PAGES = [name for name in NAMES if any(one.language in COMMANDS for one in snippets(name))]
VOLATILE = (
    (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[.\d]*( UTC|Z|\+00:00|\b)", "TIME"),
    (r"\b\d{13}-\d+", "ID"),
    (r"\bbyte \d+\b", "byte NUMBER"),
    (r"\b[0-9a-f]{32,}\b", "DIGEST"),
    (r"~?\b\d+(\.\d)? m?s\b", "DURATION"),
    (r"\bin \d+[smhd]\b", "AHEAD"),
    (r"\b(now|\d+[smhd])\b", "AGE"),
    (r"\d[\d,]* (archived rows?|jobs?) ?", "MANY "),
    (r"[ \t]+", " "),
)
"""What no two runs print alike."""


@pytest.fixture(scope="module")
def env(servers: Servers) -> Iterator[dict[str, str]]:
    """Yield the variables that name a log with a projector and a snapshotter at work."""
    namespace = f"docs_{uuid4().hex[:16]}"
    with database(servers.postgres_url, namespace) as postgres_url, ExitStack() as stack:
        stack.callback(remove_namespace, servers.redis_url, namespace)
        env = environ(Settings(servers.redis_url, postgres_url, namespace))
        commands = [("-m", "checkpoint", "worker", kind) for kind in ("projector", "snapshotter")]
        for process in [stack.enter_context(running(*one, **env)) for one in commands]:
            assert process.stdout
            assert process.stdout.readline().startswith("ready: ")
        yield env


@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_of_a_page_run(page: str, env: dict[str, str], tmp_path: Path) -> None:
    for block, output in with_outputs(snippets(page)):
        if block.title:
            (tmp_path / block.title).write_text(block.text)
        elif block.language in COMMANDS:
            run(block, output, tmp_path, env)


def with_outputs(blocks: Sequence[Snippet]) -> Iterator[tuple[Snippet, str | None]]:
    """Give each block that runs what it is said to print, if the page says so."""
    for block, after in pairwise([*blocks, None]):
        assert block
        tells = after is not None and after.language == "text" and after.is_next
        yield block, after.text if after and tells else None


def run(block: Snippet, output: str | None, folder: Path, env: dict[str, str]) -> None:
    ours = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONUNBUFFERED": "1",  # what goes to stdout and stderr stays in order
        "COLUMNS": "120",
        **env,
    }
    done = subprocess.run(
        [*COMMANDS[block.language], block.text],
        cwd=folder,
        env={**os.environ, **ours},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{block.text}\n{done.stdout}"
    if output is not None:
        assert re.fullmatch(pattern(output), steady(done.stdout)), (
            f"{block.text}\nprints\n{done.stdout}\nand the page says\n{output}"
        )


def steady(text: str) -> str:
    """Return what is the same in every run."""
    for volatile, name in VOLATILE:
        text = re.sub(volatile, name, text)
    return "".join(f"{line.strip()}\n" for line in text.splitlines())


def pattern(output: str) -> str:
    """Turn what a page says into a pattern for what is printed."""
    lines = [re.escape(line) for line in steady(output).splitlines()]
    return "".join(r"(?:.*\n)*" if line == "…" else rf"{line}\n" for line in lines)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_page_names_of_the_project_is_there(name: str) -> None:
    folders = "checkpoint|events|projector|snapshotter|query|tests|ops|examples|bench"
    named = re.findall(rf"`((?:{folders})/[\w./-]*)(?:::(\w+))?`", (ROOT / name).read_text())
    assert [path for path, _ in named if not (ROOT / path).exists()] == []
    tests = [(path, test) for path, test in named if test]
    assert [one for one in tests if f"def {one[1]}(" not in (ROOT / one[0]).read_text()] == []


def test_every_error_is_explained() -> None:
    explained = re.findall(r"^\| `(\w+)` \|", page_text("how-to/failures.md"), re.MULTILINE)
    ours = {name for name, one in vars(errors).items() if is_error(one)} - {"CheckpointError"}
    assert sorted(explained) == sorted(ours)


def is_error(one: object) -> bool:
    return isinstance(one, type) and issubclass(one, errors.CheckpointError)


def test_every_alert_is_explained() -> None:
    rules = (ROOT / "ops/prometheus/rules.yml").read_text()
    explained = re.findall(r"`(Checkpoint[A-Z]\w+)`", page_text("how-to/operations.md"))
    assert sorted(explained) == sorted(re.findall(r"- alert: (\w+)", rules))


def page_text(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def test_the_site_builds_without_a_warning_and_needs_no_other_site(tmp_path: Path) -> None:
    site = tmp_path / "site"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", site],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > len(NAMES)
    assert {page.name: foreign(page) for page in pages if foreign(page)} == {}


class Loads(HTMLParser):
    """Collects what a browser loads for a page: not what the reader may click."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        wanted = {"link": "href", "script": "src", "img": "src", "iframe": "src", "object": "data"}
        self.found += [text or "" for name, text in attrs if wanted.get(tag) == name]


def foreign(page: Path) -> list[str]:
    loads = Loads()
    loads.feed(page.read_text())
    return [one for one in loads.found if re.match(r"(https?:)?//", one)]
