"""Faults that are done to Redis' keys, scripts, clients and memory while it runs."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from random import Random
from time import monotonic, sleep
from typing import Any

import redis
from background import in_background
from chaos.evidence.facts import Loss, Memory
from chaos.evidence.tap import Tap
from chaos.world.names import PARTITIONS
from chaos.world.world import World

from .filler import Filler
from .known import is_known
from .schedule import Fault

AHEAD_MS = 5000
ROOM_BYTES = 3 << 20
LOOK_SECONDS = 0.1
COMMAND_SECONDS = 30
ATTEMPTS = 5


class KeyFaults:
    """Does what an operator's mistake, or another client, can do."""

    def __init__(self, world: World, tap: Tap, losses: list[Loss]) -> None:
        """Take who is to be hurt, and where to note what is lost."""
        self._world = world
        self._tap = tap
        self._losses = losses
        self.memory: list[Memory] = []
        self.ways: dict[str, Callable[[Fault], Iterator[None]]] = {
            "flush scripts": self._flush_scripts,
            "kill clients": self._kill_clients,
            "memory": self._limit_memory,
            "ids ahead": self._set_ids_ahead,
            "delete stream": lambda fault: self._lose_stream(fault, "DEL"),
            "rename stream": lambda fault: self._lose_stream(fault, "RENAME"),
            "delete stream, ids ahead": self._lose_stream_ahead,
            "delete meta": self._delete_meta,
            "delete views": self._delete_views,
        }

    def _flush_scripts(self, _: Fault) -> Iterator[None]:
        with self._tap.client() as client:
            client.script_flush()
        yield

    def _kill_clients(self, _: Fault) -> Iterator[None]:
        with self._tap.client() as client:
            client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        yield

    def _limit_memory(self, _: Fault) -> Iterator[None]:
        with self._tap.client() as client:
            limit = _counted(client) + ROOM_BYTES
            client.config_set("maxmemory", limit)
        filler = Filler(self._world)
        with in_background(filler.fill, "filler"), in_background(self._watch(limit), "memory"):
            yield
        with self._tap.client() as client:
            client.config_set("maxmemory", 0)

    def _watch(self, limit: int) -> Callable[[Any], None]:
        def watch(stop: Any) -> None:
            while not stop.wait(LOOK_SECONDS):
                with suppress(redis.RedisError), self._tap.client() as client:
                    self.memory.append(Memory(monotonic(), _counted(client), limit))

        return watch

    def _set_ids_ahead(self, fault: Fault) -> Iterator[None]:
        """Let a partition's ids be ahead of the clock, as after a clock that was set back."""
        self._move_ids(_partition(fault), int(fault.seconds * 1000))
        yield

    def _move_ids(self, partition: int, by_ms: int) -> None:
        with suppress(redis.ResponseError), self._tap.client() as client:
            if not is_known(client, self._tap.namespace):
                return
            seconds, _ = client.time()
            name = f"{seconds * 1000 + by_ms}-0"
            client.execute_command("XSETID", self._tap.log(partition), name)

    def _lose_stream_ahead(self, fault: Fault) -> Iterator[None]:
        self._move_ids(_partition(fault), AHEAD_MS)
        sleep(fault.seconds)
        yield from self._lose_stream(fault, "DEL")
        # what may have been lost is told by ids: the next loss must not come before they are right
        sleep(AHEAD_MS / 1000)

    def _lose_stream(self, fault: Fault, command: str) -> Iterator[None]:
        """Let a partition's stream be gone while Redis runs."""
        partition = _partition(fault)
        log = self._tap.log(partition)
        words = [command, log, f"{log}.moved"] if command == "RENAME" else [command, log]
        before, begun = self._tap.see_and(partition, words), monotonic()
        rest = frozenset(place for place in before if place[0] != partition)
        levels = frozenset({"log", "synced"})
        # views and heads still have what was lost, until the log is restored
        self._losses.append(Loss(fault.kind, begun, float("inf"), before, rest, levels))
        yield
        self._run("restore")
        self._tap.survey()

    def _delete_meta(self, fault: Fault) -> Iterator[None]:
        with self._tap.client() as client:
            client.delete(f"{{{self._tap.namespace}:{_partition(fault)}}}:meta")
        yield
        self._run("restore")
        self._tap.survey()

    def _delete_views(self, fault: Fault) -> Iterator[None]:
        with self._tap.client() as client:
            views = f"{{{self._tap.namespace}:{_partition(fault)}}}:view.2:*"
            for key in client.scan_iter(match=views, count=1000):
                client.delete(key)
        yield
        self._run("rebuild")

    def _run(self, command: str) -> None:
        """Do what an operator does who hears of it: again, where another fault was in the way."""
        for _ in range(ATTEMPTS):
            with suppress(subprocess.TimeoutExpired):
                done = subprocess.run(
                    [sys.executable, "-m", "checkpoint", command],
                    env=dict(self._world.direct()),
                    capture_output=True,
                    timeout=COMMAND_SECONDS,
                    check=False,
                )
                if not done.returncode:
                    return
            sleep(1.0)


def _partition(fault: Fault) -> int:
    return Random(fault.at).randrange(PARTITIONS)  # noqa: S311 - no secret: it is to be repeated


def _counted(client: "redis.Redis") -> int:
    """Return the bytes that count against the limit: not those of replicas' buffers."""
    memory: Any = client.info("memory")
    return int(memory["used_memory"]) - int(memory["mem_not_counted_for_evict"])
