"""Faults in which Redis dies, and may come back without what it had acknowledged."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from random import Random
from time import monotonic

import redis
from chaos.evidence.facts import Loss
from chaos.evidence.tap import Tap
from chaos.world.world import World

from .schedule import Fault

PATIENCE_SECONDS = 8.0
TORN_BYTES = (200, 20_000)
ON_DISK = frozenset({"log", "synced"})


class LossFaults:
    """Kills Redis' primary, and changes its files before it is started again."""

    def __init__(self, world: World, tap: Tap) -> None:
        """Take who is to be hurt, and who must have seen all that will be lost."""
        self._world = world
        self._tap = tap
        self.losses: list[Loss] = []
        self.ways: dict[str, Callable[[Fault], Iterator[None]]] = {
            "empty restart": self._restart_empty,
            "older restart": self._restart_older,
            "torn file": self._tear_file,
        }

    def kill(self, fault: Fault) -> Iterator[None]:
        """Kill Redis in the middle of its work: what it has written is kept by the machine.

        With `everysec` it may have had no time to write what it acknowledged.
        """
        policy = self._world.redis.primary.policy
        levels = frozenset({"log"}) if policy == "everysec" else frozenset[str]()
        with suppress(redis.RedisError):
            self._tap.poll()
        with self.lost(f"{fault.kind} {fault.target}", levels, is_sudden=True):
            self._world.kill("valkey")
            yield
            self._world.restart("valkey")

    @contextmanager
    def lost(self, kind: str, levels: frozenset[str], *, is_sudden: bool = False) -> Iterator[None]:
        """Note what the tap had seen before the block, and what Redis has after it."""
        before, begun = frozenset(self._tap.seen) | self._tap.poison, monotonic()
        yield
        survived = self._tap.survey()
        self.losses.append(Loss(kind, begun, monotonic(), before, survived, levels, is_sudden))

    def see_everything(self) -> None:
        """Hold writes until Redis is killed, so that the tap knows all that is lost."""
        with self._tap.client() as client:
            client.client_pause(int(PATIENCE_SECONDS * 1000), all=False)
        self._tap.poll()

    def _restart_empty(self, fault: Fault) -> Iterator[None]:
        self.see_everything()
        with self.lost(fault.kind, ON_DISK):
            self._world.kill("valkey")
            shutil.rmtree(self._world.redis.primary.append_only_files)
            yield
            self._world.restart("valkey")

    def _restart_older(self, fault: Fault) -> Iterator[None]:
        files = self._world.redis.primary.append_only_files
        older = files.with_name("older")
        shutil.copytree(files, older)
        yield
        self.see_everything()
        with self.lost(fault.kind, ON_DISK):
            self._world.kill("valkey")
            shutil.rmtree(files)
            older.rename(files)
            self._world.restart("valkey")

    def _tear_file(self, fault: Fault) -> Iterator[None]:
        torn = Random(fault.at).randrange(*TORN_BYTES)  # noqa: S311 - no secret: to be repeated
        self.see_everything()
        with self.lost(fault.kind, ON_DISK):
            self._world.kill("valkey")
            files = self._world.redis.primary.append_only_files
            last = max(files.glob("*.incr.aof"), key=lambda one: int(one.name.split(".")[-3]))
            os.truncate(last, max(0, last.stat().st_size - torn))
            yield
            self._world.restart("valkey")
