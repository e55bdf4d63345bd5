"""The catalogue: for every law a product that breaks it, and the faults that bring it out."""

from collections.abc import Sequence
from typing import NamedTuple

from chaos.faults.schedule import Fault, Schedule
from chaos.world.names import PRODUCERS

QUIET: Sequence[Fault] = ()
AWAY = (Fault(2.0, "partition", "all to valkey", 5.0),)
CUTS = tuple(Fault(2.0 + n, "swallow", "producers to valkey", 0.3) for n in range(8))
FULL = (Fault(2.0, "memory", "valkey", 3.0),)
BEHIND = (
    Fault(2.0, "partition", "workers to valkey", 5.0),
    Fault(4.0, "empty restart", "valkey", 0.2),
)
LATE = (Fault(2.0, "pause", "snapshotter-0", 5.0), Fault(2.0, "pause", "snapshotter-1", 5.0))


class Mutant(NamedTuple):
    """What is broken, the law that must report it, and the faults under which it shows."""

    law: str
    name: str
    faults: Sequence[Fault]


MUTANTS = (
    Mutant("durable is archived once", "promise too much", BEHIND),
    Mutant("nothing vanishes", "acknowledge unsent", QUIET),
    Mutant("what is lost is named by job", "name no loss", BEHIND),
    Mutant("what is named was lost", "name what was not lost", QUIET),
    Mutant("versions have no gaps", "skip a version", QUIET),
    Mutant("nothing is done twice", "save twice", QUIET),
    Mutant("nothing is done twice", "forget calls", CUTS),
    Mutant("an id names one entry", "give ids again", QUIET),
    Mutant("no stale token got through", "accept stale tokens", QUIET),
    Mutant("view == fold(archive)", "drop events in the fold", QUIET),
    Mutant("fold(archive) == fold(log)", "change rows", QUIET),
    Mutant("fold(archive) == fold(log)", "drop rows", QUIET),
    Mutant("only poison is dead", "refuse rows", QUIET),
    Mutant("answers are not old", "believe the archive", LATE),
    Mutant("answers of Redis are of now", "answer again", QUIET),
    Mutant("nothing is said only of nothing", "say nothing", QUIET),
    Mutant("replies are of the job", "mix up replies", QUIET),
    Mutant("calls end in time", "retry for ever", AWAY),
    Mutant("calls return", "hang", AWAY),
    Mutant("errors are of the expected classes", "let driver errors out", AWAY),
    Mutant("no errors while all is well", "give up at once", QUIET),
    Mutant("memory is bounded", "delete before writing", FULL),
    Mutant("nobody dies by itself", "die", QUIET),
    Mutant("nobody stays stuck", "get stuck", QUIET),
    Mutant("the doctor is content", "evict", QUIET),
    Mutant("verify is clean", "change rows", QUIET),
)


def schedule_of(faults: Sequence[Fault]) -> Schedule:
    """Make a schedule of some faults."""
    return Schedule(1, faults, ["always"], [0.0] * len(PRODUCERS))


def seconds_of(faults: Sequence[Fault]) -> float:
    """Say how long a run with some faults takes."""
    return max((one.at + one.seconds for one in faults), default=6.0) + 4.0
