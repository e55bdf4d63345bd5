"""The schedule: which faults hit what, and when. Pure: the same seed gives the same schedule."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple

from chaos.world.names import GROUPS, PAIRS, PRODUCERS, PROJECTORS, SERVERS, SNAPSHOTTERS

NEEDS_SMALL_DISK = frozenset({"full disk"})

GAP_SECONDS = (1.5, 4.0)
QUIET_EVERY, QUIET_SECONDS = 8, 6.0
"""After so many faults there is none for a while: calls must not fail then."""

LENGTHS: dict[str, tuple[float, float]] = {
    "kill": (0.0, 2.0),
    "pause": (0.5, 4.0),
    "terminate": (0.5, 1.0),
    "cut": (0.0, 0.0),
    "delay": (1.0, 3.0),
    "swallow": (0.3, 2.0),
    "refuse": (0.2, 4.0),
    "hold requests": (0.5, 5.0),
    "hold replies": (0.5, 5.0),
    "partition": (1.0, 7.0),
    "full disk": (2.0, 4.0),
    "poison": (0.0, 0.0),
    "forge": (0.5, 1.0),
    "flush scripts": (0.0, 0.0),
    "kill clients": (0.0, 0.0),
    "memory": (2.0, 3.0),
    "ids ahead": (1.0, 4.0),
    "delete stream": (0.0, 1.0),
    "rename stream": (0.0, 1.0),
    "delete stream, ids ahead": (0.5, 1.5),
    "delete meta": (0.0, 1.0),
    "delete views": (0.5, 2.0),
    "failover": (2.0, 4.0),
    "promote": (0.3, 1.5),
    "empty restart": (0.0, 1.0),
    "older restart": (1.0, 4.0),
    "torn file": (0.0, 1.0),
}
"""How many seconds a fault of each kind lasts, at least and at most. An older restart takes Redis
back by as much; a promoted replica has got nothing for as long."""

OF_LINKS = ("cut", "delay", "swallow", "refuse", "hold requests", "hold replies", "partition")
OF_PROCESSES = ("kill", "pause", "terminate")
OF_POSTGRES = ("full disk",)
OF_REDIS = tuple(LENGTHS.keys() - {*OF_LINKS, *OF_PROCESSES, *OF_POSTGRES})

SINGLES = (*PAIRS["valkey"], *PAIRS["postgres"])

TARGETS: Sequence[tuple[str, Sequence[str]]] = (
    *((kind, ones) for kind in ("kill", "pause") for ones in (PRODUCERS, PROJECTORS, SNAPSHOTTERS)),
    *((kind, [one]) for kind in ("kill", "pause") for one in SERVERS),
    ("terminate", ["producer-forks"]),
    *((kind, tuple(GROUPS)) for kind in OF_LINKS),
    *((kind, SINGLES) for kind in ("swallow", "hold requests", "hold replies")),
    ("partition", ["all to postgres"]),
    *((kind, ["postgres"]) for kind in OF_POSTGRES),
    *((kind, ["valkey"]) for kind in sorted(OF_REDIS)),
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

    @property
    def place(self) -> str:
        """What no two faults may hit at a time."""
        return self.target.rpartition(" to ")[2] + " links" * (" to " in self.target)

    def __str__(self) -> str:
        """Return what people read."""
        lasting = f" for {self.seconds:.1f} s" if self.seconds else ""
        return f"{self.at:6.1f} s  {self.kind}: {self.target}{lasting}"


class Schedule(NamedTuple):
    """What a seed stands for."""

    seed: int
    faults: Sequence[Fault]
    fsync: Sequence[str]
    """The append-only file's policy in each life of Redis, again and again."""
    skews: Sequence[float]
    """Seconds by which each producer's clock is wrong."""


def make_schedule(
    seed: int,
    seconds: float,
    without: frozenset[str] = frozenset(),
    only: Sequence[tuple[str, Sequence[str]]] = TARGETS,
) -> Schedule:
    """Draw the faults of a run of so many seconds from `only`, leaving out kinds."""
    random = Random(seed)  # noqa: S311 - no secret: it is to be repeated
    fsync = random.sample(["always", "everysec"], 2)
    skews = [random.choice([-1, 1]) * random.uniform(3600, 86400 * 400) for _ in PRODUCERS]
    cards = [card for card in only if card[0] not in without]
    faults: list[Fault] = []
    at = random.uniform(*GAP_SECONDS)
    for kind, targets in _deck(random, cards):
        fault = Fault(at, kind, random.choice(targets), random.uniform(*LENGTHS[kind]))
        if fault.at + fault.seconds > seconds:
            break
        faults.append(fault)
        at += random.uniform(*GAP_SECONDS)
        if len(faults) % QUIET_EVERY == 0:
            at += QUIET_SECONDS
    return Schedule(seed, faults, fsync, skews)


def _deck(
    random: Random, cards: list[tuple[str, Sequence[str]]]
) -> Iterator[tuple[str, Sequence[str]]]:
    while cards:
        random.shuffle(cards)
        yield from list(cards)
