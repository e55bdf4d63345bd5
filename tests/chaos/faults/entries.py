"""Faults in which somebody else writes to the log."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from random import Random
from time import monotonic, sleep
from typing import Any

import redis
from chaos.evidence.facts import Place, Seen, entry_id
from chaos.evidence.tap import Tap
from chaos.world.world import World

from .known import is_known
from .schedule import Fault

FORGE_SECONDS = 0.05
STRANGE: list[dict[Any, Any]] = [
    {b"poison": bytes(range(256))},
    {"event": "no JSON", "version": 1, "incarnation": ""},
    {"event": '{"type":"nonsense","job":"j"}', "version": 1, "incarnation": ""},
    {"event": '{"type":"stage_completed","job":"j","stage":7}', "version": 1, "incarnation": ""},
    {"event": '{"type":"job_deleted","job":"j"}', "version": "one", "incarnation": ""},
    {"event": '{"type":"job_deleted","job":"j"}', "version": 1, "incarnation": "never"},
]
"""Entries that are no events, each in its own way."""


class EntryFaults:
    """Appends entries that no manager made."""

    def __init__(self, world: World, tap: Tap) -> None:
        """Take whose log it is, and who sees it."""
        self._world = world
        self._tap = tap
        self.forged: set[Place] = set()
        self.ways: dict[str, Callable[[Fault], Iterator[None]]] = {
            "poison": self._poison,
            "forge": self._forge,
        }

    def _poison(self, _: Fault) -> Iterator[None]:
        with suppress(redis.RedisError), self._tap.client() as client:
            if not is_known(client, self._tap.namespace):
                yield
                return
            for partition in range(self._tap.partitions):
                for fields in STRANGE:
                    self._tap.mark_poison((partition, _added(client, self._tap, partition, fields)))
        yield

    def _forge(self, fault: Fault) -> Iterator[None]:
        """Take the next version of jobs at work, or put them into incarnations that never were."""
        random = Random(fault.at)  # noqa: S311 - no secret: it is to be repeated
        deadline = monotonic() + fault.seconds
        while monotonic() < deadline:
            self._forge_one(random.random() < 0.7)
            sleep(FORGE_SECONDS)
        yield

    def _forge_one(self, takes_version: bool) -> None:
        latest = max(self._at_work(), key=lambda one: one.at, default=None)
        if latest is None:
            return
        version = latest.version + 1 if takes_version else 7
        incarnation = latest.incarnation if takes_version else (latest.incarnation[0] - 5, 5)
        event = {"type": "stage_completed", "job": latest.job, "stage": "forged", "data": {}}
        fields = {
            "event": json.dumps(event),
            "version": version,
            "incarnation": f"{incarnation[0]}-{incarnation[1]}",
        }
        with suppress(redis.RedisError), self._tap.client() as client:
            if not is_known(client, self._tap.namespace):
                return
            name = _added(client, self._tap, latest.partition, fields)
            self.forged.add((latest.partition, name))

    def _at_work(self) -> Iterator[Seen]:
        """Yield jobs that one producer alone works on; they are soon over."""
        self._tap.poll()
        for one in list(self._tap.seen.values())[-20:]:
            is_alone = not one.job.startswith(("shared-", "probe-")) and "batch" not in one.job
            if is_alone and one.version < 5 and one.event["type"] == "stage_completed":
                yield one


def _added(
    client: "redis.Redis", tap: Tap, partition: int, fields: dict[Any, Any]
) -> tuple[int, int]:
    name: Any = client.xadd(tap.log(partition), fields)
    return entry_id(name.decode())
