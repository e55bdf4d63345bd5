"""A run: the world is started, hurt by the schedule, left to recover, and judged."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from time import monotonic, sleep

from checkpoint import Settings

from .evidence import Evidence, gather, settled
from .injury import Injury
from .judge import Violation, judge
from .probe import TRY_SECONDS, Probe
from .schedule import LINKS, LOSES_DATA, NEEDS_SMALL_DISK, Fault, Schedule, make_schedule
from .tap import Tap
from .world import NAMESPACE, PARTITIONS, World, make_world, small_disk

RECOVERY_SECONDS = 60.0
"""How long the system may take to be whole again after the last fault."""

Tell = Callable[[str], None]


@dataclass
class Injured:
    """A fault that was inflicted."""

    fault: Fault
    begun: float
    healed: float


@dataclass
class Run:
    """What came of a run."""

    schedule: Schedule
    injured: list[Injured]
    evidence: Evidence
    violations: list[Violation]
    probe: Probe
    fell_short: list[str] = field(default_factory=list)


def run(seconds: float, seed: int, tell: Tell, keep: Path | None = None) -> Run:
    """Hurt a world of its own for so many seconds by the schedule of a seed, and judge it.

    `tell` hears of progress; logs and records are kept in `keep`.
    """
    schedule = make_schedule(seed, seconds, without=_impossible(tell))
    tell(f"seed {seed}: {len(schedule.faults)} faults in {seconds:.0f} s")
    for fault in schedule.faults:
        tell(f"  {fault}")
    with make_world(schedule, keep) as world, ExitStack() as stack:
        tap = Tap(world.valkey.url, NAMESPACE, PARTITIONS)
        stack.enter_context(tap.watching())
        probe = Probe(
            Settings(
                redis_url=world.redis_url(LINKS[0]),
                postgres_url=world.postgres_url,
                namespace=NAMESPACE,
                partitions=PARTITIONS,
                timeout=TRY_SECONDS,
            )
        )
        with probe.probing():
            _until_whole(probe, monotonic())
            injured = _inflict(world, tap, schedule, seconds, tell)
            tell("the last fault is over: waiting for the system to be whole")
            whole = _until_whole(probe, monotonic())
            died = world.died()
            world.stop_producers()
        complete = settled(world, tap, RECOVERY_SECONDS)
        losses = [one.healed for one in injured if one.fault.kind in LOSES_DATA]
        evidence = gather(world, tap, losses)
    tell(f"judging {len(evidence.seen)} entries and {len(evidence.records)} records")
    short = [] if whole else ["the system was not whole again after the last fault"]
    short += [f"{name} died by itself: see its log (--keep)" for name in died]
    short += [] if complete else ["view or archive did not catch up with the log"]
    return Run(schedule, injured, evidence, judge(evidence), probe, short)


def _impossible(tell: Tell) -> frozenset[str]:
    with TemporaryDirectory() as folder, small_disk(Path(folder) / "disk") as disk:
        if disk is not None:
            return frozenset()
    tell("full disk: left out, for this user may not mount a small file system")
    return NEEDS_SMALL_DISK


def _inflict(
    world: World, tap: Tap, schedule: Schedule, seconds: float, tell: Tell
) -> list[Injured]:
    injury = Injury(world, tap)
    locks = {fault.target: Lock() for fault in schedule.faults}
    begin = monotonic()

    def inflict(fault: Fault) -> Injured:
        with locks[fault.target]:
            at = monotonic()
            injury.inflict(fault)
            tell(f"{monotonic() - begin:6.1f} s  over: {fault.kind} {fault.target}")
            return Injured(fault, at, monotonic())

    with ThreadPoolExecutor(thread_name_prefix="fault") as pool:
        pending = []
        for fault in schedule.faults:
            sleep(max(0.0, begin + fault.at - monotonic()))
            pending.append(pool.submit(inflict, fault))
        sleep(max(0.0, begin + seconds - monotonic()))
    return [one.result() for one in pending]


def _until_whole(probe: Probe, since: float) -> bool:
    deadline = since + RECOVERY_SECONDS
    while (whole := probe.recovery(since)) is None and monotonic() < deadline:
        sleep(0.05)
    return whole is not None


def recoveries(run: Run) -> Iterator[tuple[str, list[float]]]:
    """Yield, for each kind of fault, how long the system took to be whole after each."""
    kinds: dict[str, list[float]] = {}
    for one in run.injured:
        took = run.probe.recovery(one.healed)
        kinds.setdefault(one.fault.kind, []).append(float("inf") if took is None else took)
    yield from sorted(kinds.items())
