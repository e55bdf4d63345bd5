"""Script calls: what the server does for saves and lookups, and for the bare commands beside.

The time of a command is the server's own account. The instructions are all that the server takes
from reading the command to its reply, writing the append-only file included.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import redis

from checkpoint import CheckpointManager, Settings

from .callgrind import CountedValkey
from .servers import VALKEY, Bench
from .workers import caught_up, working
from .workload import DATA, STAGES, encoded, fill, fill_eight, items, job_name

COUNTED = 400
"""Calls under callgrind."""
JOBS_AT_ONCE = 10
APPLIED, UNAPPLIED, SAVED, BATCHED = 0, 1, 1_000, 100_000
"""Numbers of the first jobs that are looked up, and that are saved."""


class ScriptCall(NamedTuple):
    """A command of the server, and who calls it."""

    command: str
    call: Callable[[int], object]
    """With a number that grows from call to call."""
    events: int = 1
    """That a call appends: what is measured is of each."""


def micros(bench: Bench) -> Iterator[tuple[str, float]]:
    """Yield what each call takes, in microseconds, on average."""
    settings = bench.settings("scripts", partitions=1)
    with _script_calls(bench, settings) as calls, bench.redis() as client:
        for name, (command, call, events) in calls.items():
            call(0)
            client.config_resetstat()
            for number in range(1, bench.plan.calls + 1):
                call(number)
            known: Any = client.info("commandstats")
            yield name, float(known[f"cmdstat_{command}"]["usec_per_call"]) / events


def instructions(bench: Bench) -> Iterator[tuple[str, float]]:
    """Yield how many instructions each call takes."""
    settings = bench.settings("counted", partitions=1, postgres_url=None)
    with CountedValkey(bench.folder / "counted", port=0, options=VALKEY) as valkey:
        counted = replace(settings, redis_url=valkey.url)
        with _script_calls(bench, counted) as calls:
            for name, (_, call, events) in calls.items():
                call(COUNTED)
                yield name, valkey.instructions(call, COUNTED) / events


@contextmanager
def _script_calls(bench: Bench, settings: Settings) -> Iterator[dict[str, ScriptCall]]:
    """Prepare a server, and yield the calls of it by their names."""
    with CheckpointManager(settings) as manager, redis.Redis.from_url(settings.redis_url) as client:
        client.hset("bare-hash", mapping=dict.fromkeys(STAGES, encoded()))
        filled = fill(settings, len(STAGES), first=APPLIED)
        with working(bench, settings, "projector"):
            caught_up(settings, "projector", filled)
        fill_eight(settings, UNAPPLIED, 1)

        def save(number: int) -> None:
            manager.save(job_name(SAVED + number // 8), STAGES[number % 8], DATA)

        def save_many(number: int) -> None:
            first = BATCHED + number * JOBS_AT_ONCE
            manager.save_many(items(first, JOBS_AT_ONCE * len(STAGES)))

        yield {
            "XADD of its data": ScriptCall(
                "xadd", lambda _: client.xadd("bare", {"event": encoded()})
            ),
            "script call: append one event": ScriptCall("evalsha", save),
            "script call: append events, eight of each job, an event": ScriptCall(
                "evalsha", save_many, JOBS_AT_ONCE * len(STAGES)
            ),
            "HGETALL of eight stages": ScriptCall("hgetall", lambda _: client.hgetall("bare-hash")),
            "script call: read a job of eight stages, from its view": ScriptCall(
                "evalsha", lambda _: manager.get_resume_point(job_name(APPLIED))
            ),
            "script call: read a job of eight stages, unapplied": ScriptCall(
                "evalsha", lambda _: manager.get_resume_point(job_name(UNAPPLIED))
            ),
        }
