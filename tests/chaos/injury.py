"""Injuries: how each kind of fault is done to the world, and made good again."""

import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import sleep

import redis

from .schedule import Fault
from .tap import Tap
from .world import World

PATIENCE_SECONDS = 8.0


class Injury:
    """Does a fault to the world for as long as it lasts."""

    def __init__(self, world: World, tap: Tap) -> None:
        """Take who is to be hurt, and who must have seen all that will be lost."""
        self._world = world
        self._tap = tap

    def inflict(self, fault: Fault) -> None:
        """Do it, wait, and make it good."""
        ways = {
            "kill": self._kill,
            "pause": self._pause,
            "cut": self._cut,
            "delay": self._delay,
            "swallow": self._swallow,
            "refuse": self._refuse,
            "full disk": self._fill_disk,
            "poison": self._poison,
            "empty restart": self._restart_empty,
            "older restart": self._restart_older,
        }
        with contextmanager(ways[fault.kind])(fault):
            sleep(fault.seconds)

    def _kill(self, fault: Fault) -> Iterator[None]:
        self._world.kill(fault.target)
        yield
        self._world.restart(fault.target)

    def _pause(self, fault: Fault) -> Iterator[None]:
        self._world.signal(fault.target, signal.SIGSTOP)
        yield
        self._world.signal(fault.target, signal.SIGCONT)

    def _cut(self, fault: Fault) -> Iterator[None]:
        self._world.links[fault.target].cut()
        yield

    def _delay(self, fault: Fault) -> Iterator[None]:
        link = self._world.links[fault.target]
        link.delay = 0.3
        yield
        link.delay = 0.0

    def _swallow(self, fault: Fault) -> Iterator[None]:
        link = self._world.links[fault.target]
        link.swallows = True
        yield
        link.cut()
        link.swallows = False

    def _refuse(self, fault: Fault) -> Iterator[None]:
        link = self._world.links[fault.target]
        link.refuses = True
        link.cut()
        yield
        link.refuses = False

    def _fill_disk(self, _: Fault) -> Iterator[None]:
        assert self._world.disk is not None
        ballast = self._world.disk / "ballast"
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(bytes(1 << 20)):
                pass
        yield
        ballast.unlink()
        # Postgres may have given up, as it must when it cannot write its log
        self._world.restart("postgres")

    def _poison(self, _: Fault) -> Iterator[None]:
        with suppress(redis.RedisError), self._tap.client() as client:
            for partition in range(self._tap.partitions):
                client.xadd(self._tap.log(partition), {b"poison": bytes(range(256))})
        yield

    def _restart_empty(self, _: Fault) -> Iterator[None]:
        self._see_everything()
        self._world.kill("valkey")
        shutil.rmtree(self._world.append_only_files)
        yield
        self._world.restart("valkey")

    def _restart_older(self, _: Fault) -> Iterator[None]:
        files = self._world.append_only_files
        older = files.with_name("older")
        shutil.copytree(files, older)
        yield
        self._see_everything()
        self._world.kill("valkey")
        shutil.rmtree(files)
        older.rename(files)
        self._world.restart("valkey")

    def _see_everything(self) -> None:
        """Hold writes until Redis is killed, so that the tap knows all that is lost."""
        with self._tap.client() as client:
            client.client_pause(int(PATIENCE_SECONDS * 1000), all=False)
        self._tap.poll()
