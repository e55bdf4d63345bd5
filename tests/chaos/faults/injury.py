"""Injuries: faults are done to the world, one by one, and made good again."""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from time import monotonic, sleep
from typing import NamedTuple

from chaos.evidence.facts import Window
from chaos.evidence.tap import Tap
from chaos.world.links import Link, Way
from chaos.world.names import links_of
from chaos.world.world import World

from .entries import EntryFaults
from .keys import KeyFaults
from .losses import LossFaults
from .roles import RoleFaults
from .schedule import Fault

DELAY_SECONDS = 0.3
SIGNALS = 3


class Injured(NamedTuple):
    """A fault that was inflicted, by the monotonic clock."""

    fault: Fault
    begun: float
    healed: float

    def window(self, recovered: float) -> Window:
        """Return the time in which calls may have failed for it."""
        return Window(self.fault.kind, self.fault.target, self.begun, recovered)


class Injury:
    """Does a fault to the world for as long as it lasts."""

    def __init__(self, world: World, tap: Tap) -> None:
        """Take who is to be hurt, and who must have seen all that will be lost."""
        self._world = world
        self.losing = LossFaults(world, tap)
        self.keys = KeyFaults(world, tap, self.losing.losses)
        self.entries = EntryFaults(world, tap)
        self._roles = RoleFaults(world, tap, self.losing)

    def inflict(self, fault: Fault) -> Injured:
        """Do it, wait, and make it good."""
        begun = monotonic()
        with contextmanager(self._way(fault.kind))(fault):
            sleep(fault.seconds)
        return Injured(fault, begun, monotonic())

    def _way(self, kind: str) -> Callable[[Fault], Iterator[None]]:
        ways = {
            "kill": self._kill,
            "pause": self._pause,
            "terminate": self._terminate,
            "cut": self._cut,
            "delay": self._delay,
            "swallow": self._swallow,
            "refuse": self._refuse,
            "hold requests": self._hold_requests,
            "hold replies": self._hold_replies,
            "partition": self._partition,
            "full disk": self._fill_disk,
            **self.entries.ways,
            **self.keys.ways,
            **self.losing.ways,
            **self._roles.ways,
        }
        return ways[kind]

    def _kill(self, fault: Fault) -> Iterator[None]:
        if fault.target == "valkey":
            yield from self.losing.kill(fault)
            return
        self._world.kill(fault.target)
        yield
        self._world.restart(fault.target)

    def _pause(self, fault: Fault) -> Iterator[None]:
        self._world.signal(fault.target, signal.SIGSTOP)
        yield
        self._world.signal(fault.target, signal.SIGCONT)

    def _terminate(self, fault: Fault) -> Iterator[None]:
        for _ in range(SIGNALS):
            self._world.signal(fault.target, signal.SIGTERM)
            sleep(fault.seconds / SIGNALS)
        yield

    def _links(self, fault: Fault) -> Sequence[Link]:
        return [self._world.links[name] for name in links_of(fault.target)]

    def _cut(self, fault: Fault) -> Iterator[None]:
        for link in self._links(fault):
            link.cut()
        yield

    def _delay(self, fault: Fault) -> Iterator[None]:
        for link in self._links(fault):
            link.delay = DELAY_SECONDS
        yield
        for link in self._links(fault):
            link.delay = 0.0

    def _swallow(self, fault: Fault) -> Iterator[None]:
        for link in self._links(fault):
            link.swallows = True
        yield
        for link in self._links(fault):
            link.cut()
            link.swallows = False

    def _refuse(self, fault: Fault) -> Iterator[None]:
        for link in self._links(fault):
            link.refuses = True
            link.cut()
        yield
        for link in self._links(fault):
            link.refuses = False

    def _hold_requests(self, fault: Fault) -> Iterator[None]:
        yield from self._hold(fault, [Way.REQUESTS])

    def _hold_replies(self, fault: Fault) -> Iterator[None]:
        yield from self._hold(fault, [Way.REPLIES])

    def _partition(self, fault: Fault) -> Iterator[None]:
        yield from self._hold(fault, list(Way))

    def _hold(self, fault: Fault, ways: Sequence[Way]) -> Iterator[None]:
        with ExitStack() as stack:
            for link in self._links(fault):
                stack.enter_context(link.holding(ways))
            yield

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
