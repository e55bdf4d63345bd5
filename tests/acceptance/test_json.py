"""The JSON of the commands: one vocabulary for all of them, and the documentation has it."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import click
import pytest
import redis
from command_line import run
from paced import PacedManager
from processes import environ, running
from real_log import RealLog
from snippets import ROOT

from checkpoint import Pipeline, Settings
from checkpoint.cli import main
from checkpoint.events.keys import PartitionKeys

Check = Callable[[Any], bool]

FREE = {"data", "event", "before", "after", "fields"}
"""What is as a pipeline, a stranger or the log wrote it."""
BY_STAGE = {"changed", "failed"}
"""Whose names are those of stages."""
PRINTED = {
    ("jobs",),
    ("watch",),
    ("show", "film-1"),
    ("explain", "film-1"),
    ("history", "film-1"),
    ("diff", "film-1", "1", "4"),
    ("replay", "film-1"),
    ("lag",),
    ("doctor",),
    ("health", "projector"),
    ("deadletters", "list"),
    ("deadletters", "show", "LETTER"),
    ("verify",),
    ("digest",),
    ("rebuild",),
}
MORE = {
    ("show", "film-2"),
    ("explain", "film-2"),
    ("replay", "film-2"),
    ("replay", "film-1", "--at", "1h"),
    ("show", "film-3"),
    ("history", "film-3"),
    ("diff", "film-3", "1", "2"),
}


def is_a(*kinds: type) -> Check:
    return lambda value: value is None or type(value) in kinds


def matches(pattern: str) -> Check:
    return lambda value: value is None or bool(re.fullmatch(pattern, value))


def lists_of(check: Check) -> Check:
    return lambda value: value is None or (isinstance(value, list) and all(map(check, value)))


def one_of(*words: str) -> Check:
    return lambda value: value in words


TEXT, WHOLE, NUMBER, YES_OR_NO = is_a(str), is_a(int), is_a(int, float), is_a(bool)
TIME = matches(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")
ENTRY = matches(r"\d+-\d+")
OBJECT, OBJECTS = is_a(dict), lists_of(is_a(dict))
NAMES = lists_of(TEXT)

MEANINGS: Mapping[str, Check] = {
    **dict.fromkeys(["time", "started_at", "last_event_at", "expires_at"], TIME),
    **dict.fromkeys(["id", "incarnation", "position", "last"], ENTRY),
    **dict.fromkeys(["job_id", "pipeline", "stage", "error", "message", "owner"], TEXT),
    **dict.fromkeys(["forked_from", "next", "why", "resume_from_stage", "type", "path"], TEXT),
    **dict.fromkeys(
        ["consumer", "name", "reason", "subject", "detail", "kind", "what", "cure"], TEXT
    ),
    **dict.fromkeys(["without_redis", "without_archive"], TEXT),
    **dict.fromkeys(["version", "from_version", "to_version", "completed", "bytes"], WHOLE),
    **dict.fromkeys(["took_ms", "saved_ms", "failures", "partition", "entries"], WHOLE),
    **dict.fromkeys(["jobs_restored", "rows", "views"], WHOLE),
    **dict.fromkeys(["is_completed", "is_measured", "is_declared"], YES_OR_NO),
    **dict.fromkeys(["is_well", "is_alive"], YES_OR_NO),
    **dict.fromkeys(["completed_stages", "remaining_stages", "notes"], NAMES),
    **dict.fromkeys(["added", "removed", "differed", "left", "put_back", "dropped"], NAMES),
    **dict.fromkeys(["stages", "jobs", "steps", "events", "lags", "dead_letters"], OBJECTS),
    **dict.fromkeys(["findings", "restarts", "differences"], OBJECTS),
    **dict.fromkeys(["event", "changes", "changed", "failed"], OBJECT),
    **dict.fromkeys(["data", "before", "after"], lambda _: True),
    "status": one_of(
        *("running", "failed", "complete", "deleted", "expired", "did not exist yet"),
        *("done", "pending"),
    ),
    "action": one_of("skip", "run"),
    "seconds": NUMBER,
    "owners": NAMES,
    "fields": NAMES,
    "partitions": lists_of(WHOLE),
}


@pytest.fixture
def letter(settings: Settings) -> str:
    """Let there be jobs to which everything happened, and a dead letter; return its name."""
    film = Pipeline("film", ["cut", "mix", "export"])
    with PacedManager(settings, pipeline=film) as manager:
        with manager.claim("film-1", "worker-7") as held:
            held.save("cut", {"scenes": 1})
            held.record_failure("mix", OSError("disk full"))
            held.save("cut", {"scenes": 2})
        manager.save("film-1", "mix", {})
        manager.rewind("film-1", "mix")
        manager.fork("film-1", "film-2")
        manager.delete_job_checkpoints("film-2")
        manager.save("film-3", "cut", {"scenes": 1})
        manager.save("film-3", "cut", {"scenes": 2}, took=1.5)
    with redis.Redis.from_url(settings.redis_url) as client:
        name = client.xadd(PartitionKeys(settings.namespace, 3).log, {"hello": "world"})
    log = RealLog(settings)
    log.store()
    log.close()
    assert isinstance(name, bytes)
    return f"3:{name.decode()}"


def printed(*words: str) -> dict[str, Any]:
    result = run(*words, "--json")
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def unknown(_: Any) -> bool:
    """Be what a name that nobody knows has to be."""
    return False


def said_by(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the names in what was printed, with what stands under them."""
    if isinstance(value, list):
        for one in value:
            yield from said_by(one, name)
    elif isinstance(value, dict) and name in BY_STAGE:
        for one in value.values():
            yield from said_by(one)
    elif isinstance(value, dict) and name not in FREE:
        for key, one in value.items():
            yield key, one
            yield from said_by(one, key)


def wrong(value: Any) -> list[tuple[str, Any]]:
    """Return what is not in the vocabulary, or not as that name says."""
    known = MEANINGS.get
    return [(key, one) for key, one in said_by(value) if not known(key, unknown)(one)]


def test_every_command_prints_an_object_of_the_one_vocabulary(letter: str) -> None:
    for words in sorted((PRINTED | MORE) - {("digest",), ("watch",)}):
        found = printed(*(letter if word == "LETTER" else word for word in words))
        assert isinstance(found, dict), words
        assert wrong(found) == [], words


@pytest.mark.usefixtures("letter")
def test_so_does_every_line_of_what_goes_on(settings: Settings) -> None:
    lines = run("replay").stdout.splitlines()
    with running("-m", "checkpoint", "watch", "--json", **environ(settings)) as watching:
        assert watching.stdout
        lines += [watching.stdout.readline() for _ in ("film-1", "film-2", "film-3")]
    for line in lines:
        found = json.loads(line)
        assert wrong(found) == [], line
        assert found["job_id"].startswith("film-")


def with_json(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from with_json(command, (*path, name))
        elif any(option.name == "as_json" for option in command.params):
            yield (*path, name)


def test_no_command_is_left_out() -> None:
    tried = {words[: 2 if words[0] == "deadletters" else 1] for words in PRINTED}
    assert set(with_json(main)) == tried


def test_the_documentation_has_the_whole_vocabulary() -> None:
    page = (ROOT / "docs/reference/json.md").read_text().partition("## Names")[2]
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", page, re.MULTILINE)
    first = {name for row in rows for name in re.findall(r"`(\w+)`", row[0])}
    anywhere = {name for row in rows for name in re.findall(r"`(\w+)`", "".join(row))}
    assert first <= set(MEANINGS)
    assert set(MEANINGS) <= anywhere
