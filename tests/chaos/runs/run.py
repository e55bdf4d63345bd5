"""A run: the world is started, hurt by the schedule, left to recover, and judged."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from time import monotonic, sleep

from chaos.evidence.facts import Evidence, Window
from chaos.evidence.gather import gather, settled
from chaos.evidence.tap import Tap
from chaos.faults.injury import Injured, Injury
from chaos.faults.schedule import NEEDS_SMALL_DISK, Fault, Schedule, make_schedule
from chaos.laws.judge import Judgement, judge
from chaos.world.names import NAMESPACE, PARTITIONS
from chaos.world.small_disk import small_disk
from chaos.world.world import World, make_world

from checkpoint import CheckpointError, CheckpointManager, Settings

from .probe import TRY_SECONDS, Probe

RECOVERY_SECONDS = 60.0
"""How long the system may take to be whole again after the last fault."""
SLACK_SECONDS = 2.0
"""How long after the probe's a caller's own recovery may come: it finds its connections dead."""
LAST_SECONDS = 3.0
"""How long producers go on when all is well again."""

Tell = Callable[[str], None]


@dataclass
class Run:
    """What came of a run."""

    schedule: Schedule
    begun: float
    """By the monotonic clock."""
    injured: list[Injured]
    evidence: Evidence
    judgement: Judgement
    probe: Probe = field(repr=False)


def run(
    seconds: float,
    seed: int,
    tell: Tell,
    keep: Path | None = None,
    *,
    without: frozenset[str] = frozenset(),
    schedule: Schedule | None = None,
    mutant: str = "",
    prepare: Callable[[World], None] | None = None,
    recovery: float = RECOVERY_SECONDS,
) -> Run:
    """Hurt a world of its own for so many seconds by the schedule of a seed, and judge it.

    `tell` hears of progress; logs and records are kept in `keep`. Kinds of faults `without`
    which it is to be, or another `schedule`, may be given,
    and a `mutant` names what is to be broken in the product; `prepare` breaks servers that run.
    After the last fault all must be whole again within `recovery` seconds.
    """
    schedule = schedule or make_schedule(seed, seconds, without | _impossible(tell))
    tell(f"seed {seed}: {len(schedule.faults)} faults in {seconds:.0f} s")
    for fault in schedule.faults:
        tell(f"  {fault}")
    with make_world(schedule, keep, mutant) as world, ExitStack() as stack:
        tap = Tap(world.redis.client, NAMESPACE, PARTITIONS)
        stack.enter_context(tap.watching())
        probe, injury = Probe(_direct(world, TRY_SECONDS)), Injury(world, tap)
        begun = monotonic()
        with probe.probing():
            started = _until_whole(probe, begun, recovery)
            if prepare:
                prepare(world)
            injured = _inflict(injury, schedule, seconds, tell)
            tell("the last fault is over: waiting for the system to be whole")
            stuck = (
                []
                if _until_whole(probe, monotonic(), recovery)
                else ["durable saves do not succeed"]
            )
            sleep(LAST_SECONDS)
            world.note_deaths()
            world.stop_producers()
        _drain_spools(world)
        stuck += filter(None, [settled(world, tap, recovery)])
        windows = [Window("start", "all", begun, started), *_windows(injured, probe)]
        evidence = gather(
            world,
            tap,
            losses=injury.losing.losses,
            windows=windows,
            forged=frozenset(injury.entries.forged),
            memory=injury.keys.memory,
            stuck=stuck,
        )
    tell(f"judging {len(evidence.seen)} entries and {len(evidence.records)} records")
    return Run(schedule, begun, injured, evidence, judge(evidence), probe)


def _direct(world: World, timeout: float) -> Settings:
    return Settings(
        redis_url=world.redis_url("valkey"),
        postgres_url=world.postgres_url("postgres"),
        namespace=NAMESPACE,
        partitions=PARTITIONS,
        timeout=timeout,
    )


def _impossible(tell: Tell) -> frozenset[str]:
    with TemporaryDirectory() as folder, small_disk(Path(folder) / "disk") as disk:
        if disk is not None:
            return frozenset()
    tell("full disk: left out, for this user may not mount a small file system")
    return NEEDS_SMALL_DISK


def _inflict(injury: Injury, schedule: Schedule, seconds: float, tell: Tell) -> list[Injured]:
    locks: Mapping[str, Lock] = {fault.place: Lock() for fault in schedule.faults}
    begin = monotonic()

    def inflict(fault: Fault) -> Injured:
        with locks[fault.place]:
            done = injury.inflict(fault)
            tell(f"{monotonic() - begin:6.1f} s  over: {fault.kind}: {fault.target}")
            return done

    with ThreadPoolExecutor(thread_name_prefix="fault") as pool:
        pending = []
        for fault in schedule.faults:
            sleep(max(0.0, begin + fault.at - monotonic()))
            pending.append(pool.submit(inflict, fault))
        sleep(max(0.0, begin + seconds - monotonic()))
    return [one.result() for one in pending]


def _until_whole(probe: Probe, since: float, seconds: float) -> float:
    """Wait until the system is whole; return when it was, or 0 where it does not get there."""
    deadline = since + seconds
    while (whole := probe.recovery(since)) is None and monotonic() < deadline:
        sleep(0.05)
    return 0.0 if whole is None else since + whole + SLACK_SECONDS


def _windows(injured: Sequence[Injured], probe: Probe) -> Iterator[Window]:
    for one in injured:
        took = probe.recovery(one.healed)
        recovered = float("inf") if took is None else one.healed + took + SLACK_SECONDS
        yield one.window(recovered)


def _drain_spools(world: World) -> None:
    """Let what waits in the spools of producers that are no more go to the log."""
    for spool in world.folder.glob("*.spool"):
        settings = _direct(world, RECOVERY_SECONDS)
        with CheckpointManager(settings, spool=spool) as manager, suppress(CheckpointError):
            manager.save("probe-spool", "probe", {"mark": "", "job": "probe-spool"})


def recoveries(run: Run) -> Iterator[tuple[str, list[float]]]:
    """Yield, for each kind of fault, how long the system took to be whole after each."""
    kinds: dict[str, list[float]] = {}
    for one in run.injured:
        took = run.probe.recovery(one.healed)
        kinds.setdefault(one.fault.kind, []).append(float("inf") if took is None else took)
    yield from sorted(kinds.items())
