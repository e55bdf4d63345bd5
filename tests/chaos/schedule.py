"""The schedule: which faults hit what, and when. Pure: the same seed gives the same schedule."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple

PRODUCERS = ("producer-0", "producer-1", "producer-2")
PROJECTORS = ("projector-0", "projector-1")
SNAPSHOTTERS = ("snapshotter-0", "snapshotter-1")
SERVERS = ("valkey", "postgres")
LINKS = ("producers to redis", "workers to redis", "all to postgres")

LOSES_DATA = frozenset({"empty restart", "older restart"})
"""Faults after which Redis has lost what it acknowledged, all of it or its last seconds."""

NEEDS_SMALL_DISK = frozenset({"full disk"})

GAP_SECONDS = (1.5, 4.0)
LENGTHS: dict[str, tuple[float, float]] = {
    "kill": (0.0, 2.0),
    "pause": (0.5, 4.0),
    "cut": (0.0, 0.0),
    "delay": (1.0, 3.0),
    "swallow": (0.3, 2.0),
    "refuse": (0.5, 4.0),
    "full disk": (2.0, 4.0),
    "poison": (0.0, 0.0),
    "empty restart": (0.0, 1.0),
    "older restart": (1.0, 4.0),
}
"""How many seconds a fault of each kind lasts, at least and at most. An older restart takes Redis
back by as much."""

TARGETS: Sequence[tuple[str, Sequence[str]]] = (
    *((kind, ones) for kind in ("kill", "pause") for ones in (PRODUCERS, PROJECTORS, SNAPSHOTTERS)),
    *((kind, [one]) for kind in ("kill", "pause") for one in SERVERS),
    *((kind, LINKS) for kind in ("cut", "delay", "swallow", "refuse")),
    ("full disk", ["postgres"]),
    ("poison", ["log"]),
    ("empty restart", ["valkey"]),
    ("older restart", ["valkey"]),
)
"""Every kind of fault with what it may hit; each comes once before any comes again."""


class Fault(NamedTuple):
    """One fault of a run."""

    at: float
    """Seconds after the start."""
    kind: str
    target: str
    seconds: float
    """How long it lasts."""

    def __str__(self) -> str:
        """Return what people read."""
        lasting = f" for {self.seconds:.1f} s" if self.seconds else ""
        return f"{self.at:6.1f} s  {self.kind} {self.target}{lasting}"


class Schedule(NamedTuple):
    """What a seed stands for."""

    seed: int
    faults: Sequence[Fault]
    fsync: Sequence[str]
    """The append-only file's policy in each life of Redis, again and again."""
    skews: Sequence[float]
    """Seconds by which each producer's clock is wrong."""


def make_schedule(seed: int, seconds: float, without: frozenset[str] = frozenset()) -> Schedule:
    """Draw the faults of a run of so many seconds, leaving out the kinds of `without`."""
    random = Random(seed)  # noqa: S311 - no secret: it is to be repeated
    fsync = random.sample(["always", "everysec"], 2)
    skews = [random.choice([-1, 1]) * random.uniform(3600, 86400 * 400) for _ in PRODUCERS]
    faults = []
    at = random.uniform(*GAP_SECONDS)
    for kind, targets in _deck(random, without):
        fault = Fault(at, kind, random.choice(targets), random.uniform(*LENGTHS[kind]))
        if fault.at + fault.seconds > seconds:
            break
        faults.append(fault)
        at += random.uniform(*GAP_SECONDS)
    return Schedule(seed, faults, fsync, skews)


def _deck(random: Random, without: frozenset[str]) -> Iterator[tuple[str, Sequence[str]]]:
    while True:
        cards = [card for card in TARGETS if card[0] not in without]
        random.shuffle(cards)
        yield from cards
