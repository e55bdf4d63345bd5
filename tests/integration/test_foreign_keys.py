"""Keys that hold something else: nobody stops for it but whom it is about, and it is named."""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from command_line import run
from processes import environ, eventually, worker
from real_log import RealLog

from checkpoint import CheckpointError, CheckpointManager
from checkpoint.events.keys import members, pipelines, topic_meta

Spoil = Callable[[Any, str], object]

TYPES: dict[str, Spoil] = {
    "string": lambda redis, key: redis.set(key, "somebody else's"),
    "set": lambda redis, key: redis.sadd(key, "a"),
    "zset": lambda redis, key: redis.zadd(key, {"a": 1}),
    "list": lambda redis, key: redis.rpush(key, "a", "b", "c"),
    "hash": lambda redis, key: redis.hset(key, "a", "b"),
    "stream": lambda redis, key: redis.xadd(key, {"a": "b"}),
}
JOB, OTHER = "spoilt", "fine"

KEYS: dict[str, Callable[[RealLog], str]] = {
    "topic": lambda log: topic_meta(log.settings.namespace),
    "pipelines": lambda log: pipelines(log.settings.namespace),
    "members": lambda log: members(log.settings.namespace, "projector"),
    "meta": lambda log: log.partition_of(JOB).meta,
    "log": lambda log: log.partition_of(JOB).log,
    "position": lambda log: log.partition_of(JOB).position,
    "watermark": lambda log: log.partition_of(JOB).watermark,
    "restoring": lambda log: log.partition_of(JOB).restoring,
    "head": lambda log: log.keys(JOB).head,
    "view": lambda log: log.keys(JOB).view,
    "requests": lambda log: log.keys(JOB).requests,
}
OWN = {
    "topic": "hash",
    "pipelines": "hash",
    "members": "zset",
    "meta": "hash",
    "log": "stream",
    "position": "string",
    "watermark": "stream",
    "restoring": "string",
    "head": "hash",
    "view": "list",
    "requests": "hash",
}
COMMANDS = (
    ("doctor",),
    ("jobs",),
    ("show", JOB),
    ("show", OTHER),
    ("history", JOB),
    ("explain", JOB),
    ("lag",),
    ("verify",),
    ("verify", JOB),
    ("digest",),
    ("replay", JOB),
    ("health", "projector"),
    ("deadletters", "list"),
)
"""What an operator looks with."""


@pytest.fixture
def log(archived_log: RealLog, monkeypatch: pytest.MonkeyPatch) -> RealLog:
    """Make a log with a job that is to be spoilt, and one in another partition that is not."""
    for name, value in environ(archived_log.settings).items():
        monkeypatch.setenv(name, value)
    assert archived_log.partition_of(JOB) != archived_log.partition_of(OTHER)
    with CheckpointManager(archived_log.settings) as manager:
        for job in (JOB, OTHER):
            manager.save(job, "cut", {"of": "cut"}, key="cut")
    archived_log.project()
    archived_log.store()
    return archived_log


def looked(*words: str) -> str:
    """Run a reading command: it says something, and raises no error but our own."""
    result = run(*words)
    assert result.exception is None or isinstance(result.exception, SystemExit), (
        words,
        result.exc_info,
    )
    assert "Traceback" not in result.output
    return result.output


def spoilt(key: str) -> list[str]:
    """Name the types that a key can be of, and should not."""
    return [kind for kind in TYPES if kind != OWN[key]]


def cures(key: str) -> set[str]:
    """Ask verify what mends a key, which it and the doctor have to name."""
    told = json.loads(looked("verify", "--json"))
    wrong = [one for one in told["differences"] if key in one["what"] or one["job_id"] == JOB]
    assert wrong, told
    return {command for one in wrong for command in re.findall(r"`checkpoint (.*?)`", one["cure"])}


@pytest.mark.parametrize(("name", "kind"), [(key, kind) for key in KEYS for kind in spoilt(key)])
def test_who_looks_hears_which_key_it_is_and_what_mends_it(
    log: RealLog, name: str, kind: str
) -> None:
    key = KEYS[name](log)
    log.client.delete(key)
    TYPES[kind](log.client, key)
    for words in COMMANDS:
        looked(*words)
    if name == "topic":  # without it, nobody knows where the others are
        assert "`checkpoint restore`" in looked("doctor")
        commands = {"restore"}
    else:
        assert key in looked("doctor")
        commands = cures(key)
    with CheckpointManager(replace(log.settings, timeout=0.3)) as manager:
        with suppress(CheckpointError):
            manager.save(JOB, "mix", {"of": "mix"}, key="mix")
        with suppress(CheckpointError):
            manager.get_resume_point(JOB)
    for command in sorted(commands):
        assert run(*command.split()).exit_code == 0
    log.project()
    log.store()
    with CheckpointManager(log.settings) as manager:
        assert manager.load(JOB, "cut") == {"of": "cut"}
        assert manager.save(JOB, "cut", {}, key="cut").repeated
        manager.save(JOB, "export", {"of": "export"})
    log.project()
    log.store()
    assert json.loads(looked("verify", "--json"))["differences"] == []


GARBAGE: dict[str, Callable[[RealLog], object]] = {
    "position": lambda log: log.client.set(log.partition_of(JOB).position, b"\xff garbage"),
    "a position of another form": lambda log: log.client.set(log.partition_of(JOB).position, "12"),
    "a position ahead of the log": lambda log: log.client.set(
        log.partition_of(JOB).position, "99999999999999-0"
    ),
    "a position beyond all ids": lambda log: log.client.set(
        log.partition_of(JOB).position, f"{10**19 * 9}-{10**19 * 9}"
    ),
    "a watermark ahead of the archive": lambda log: log.client.xadd(
        log.partition_of(JOB).watermark, {"archived": "1"}, id="99999999999999-0"
    ),
    "meta without an id": lambda log: log.client.delete(log.partition_of(JOB).meta),
    "a fence that is no time": lambda log: log.client.hset(
        log.partition_of(JOB).meta, "fence", "soon"
    ),
    "an archived id that is none": lambda log: log.client.hset(
        log.partition_of(JOB).meta, mapping={"archived": "x", "dead": "y"}
    ),
    "version": lambda log: log.client.hset(log.keys(JOB).head, "version", "many"),
    "no version": lambda log: log.client.hdel(log.keys(JOB).head, "version"),
    "a huge version": lambda log: log.client.hset(log.keys(JOB).head, "version", 10**14),
    "a version beyond all": lambda log: log.client.hset(log.keys(JOB).head, "version", 10**40),
    "incarnation": lambda log: log.client.hset(log.keys(JOB).head, "incarnation", b"\xff"),
    "no incarnation": lambda log: log.client.hdel(log.keys(JOB).head, "incarnation"),
    "another incarnation": lambda log: log.client.hset(log.keys(JOB).head, "incarnation", "1-1"),
    "an incarnation to come": lambda log: log.client.hset(
        log.keys(JOB).head, "incarnation", "99999999999999-0"
    ),
    "no head": lambda log: log.client.delete(log.keys(JOB).head),
    "no head, view or requests": lambda log: log.client.delete(*log.keys(JOB)),
    "no view": lambda log: log.client.delete(log.keys(JOB).view),
    "stamp": lambda log: log.client.lset(log.keys(JOB).view, 0, b"\xff\x00"),
    "a stamp of another incarnation": lambda log: log.client.lset(log.keys(JOB).view, 0, "1-1 1"),
    "a stamp with a huge version": lambda log: log.client.lset(
        log.keys(JOB).view, 0, log.client.lindex(log.keys(JOB).view, 0).split()[0] + b" 99999999"
    ),
    "state": lambda log: log.client.lset(log.keys(JOB).view, 1, b"[[[\xff"),
    "state of another form": lambda log: log.client.lset(log.keys(JOB).view, 1, b'{"a": 1}'),
    "data": lambda log: log.client.lset(log.keys(JOB).view, 2, b"\xff{"),
    "more data": lambda log: log.client.rpush(log.keys(JOB).view, b"1", b"2"),
}


@pytest.mark.parametrize("spoil", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_named_and_mended_by_the_command_that_is_named(
    log: RealLog, spoil: Callable[[RealLog], object]
) -> None:
    spoil(log)
    for words in COMMANDS:
        looked(*words)
    with CheckpointManager(replace(log.settings, timeout=0.3)) as manager:
        for ask in (manager.get_resume_point, manager.get_job_progress):
            with suppress(CheckpointError):
                ask(JOB)
        with suppress(CheckpointError):
            manager.load(JOB, "cut")
    for command in sorted(cures(log.partition_of(JOB).tag)):
        assert run(*command.split()).exit_code == 0
    log.project()
    log.store()
    with CheckpointManager(log.settings) as manager:
        assert manager.load(JOB, "cut") == {"of": "cut"}
        manager.save(JOB, "export", {"of": "export"})
    log.project()
    log.store()
    assert json.loads(looked("verify", "--json"))["differences"] == []


def test_keys_that_are_none_of_ours_are_left_alone(log: RealLog) -> None:
    tag = log.partition(0).tag
    names = [f"{tag}:another", f"{tag}:head", "x{" + tag[1:] + ":head:j", f"{tag}:log:more"]
    for name in names:
        log.client.sadd(name, "a")
    log.client.sadd(f"{{{log.settings.namespace}x:0}}:head:j", "a")
    found = json.loads(looked("verify", "--json"))["differences"]
    assert run("rebuild").exit_code == 0
    log.client.delete(*names, f"{{{log.settings.namespace}x:0}}:head:j")
    assert found == []


def test_a_head_of_nobody_is_dropped_once_it_is_named(log: RealLog) -> None:
    key = log.keys("nobody").head
    log.client.set(key, "somebody else's")
    assert key in looked("doctor")
    assert "rebuild --job nobody" in looked("verify")
    assert key in run("rebuild", "--job", "nobody").output
    assert not log.client.exists(key)
    log.client.set(b"{%b:0}:head:\xff" % log.settings.namespace.encode(), "x")
    for words in (*COMMANDS, ("rebuild",)):
        looked(*words)


def test_workers_go_on_with_all_that_is_not_spoilt(log: RealLog) -> None:
    known = environ(log.settings)
    settings = replace(log.settings, timeout=10.0)
    with (
        worker("projector", known),
        worker("snapshotter", known),
        CheckpointManager(settings) as manager,
    ):
        for number, (name, kind) in enumerate(
            (key, kind) for key in WHILE_RUNNING for kind in ("set", *spoilt(key)[:1])
        ):
            key = KEYS[name](log)
            log.client.delete(key)
            TYPES[kind](log.client, key)
            with suppress(CheckpointError):
                manager.save(JOB, f"t{number}", number)
            manager.save(OTHER, f"s{number}", number, ack="durable")
            eventually(lambda number=number: f"s{number}" in log.view(OTHER).checkpoints)
            for command in MENDS.get(name, ["rebuild", f"rebuild --job {JOB}"]):
                assert run(*command.split()).exit_code == 0
            manager.save(JOB, f"s{number}", number, ack="durable")
            eventually(lambda number=number: f"s{number}" in log.view(JOB).checkpoints)
    assert json.loads(looked("verify", "--json"))["differences"] == []


WHILE_RUNNING = ("members", "meta", "log", "position", "watermark", "head", "view", "requests")
MENDS = {"meta": ["restore"], "log": ["restore"]}
