"""A producer: a process that runs jobs through a manager and records what it hears.

    python -m chaos.producers FLAVOUR LIFE SEED SKEW RECORDS

SKEW is by how many seconds its clock is wrong. It runs until it is killed.
"""

import asyncio
import sys
import threading
import time
from pathlib import Path
from random import Random

from chaos.evidence.records import Recorder

from checkpoint import CheckpointManager, Settings

from .answers import STAGES
from .forks import ForkingProducer
from .journal import Journal
from .pulse import start_pulse
from .tasks import run_tasks
from .work import Worker, names_of

THREADS = 4
JOBS_BETWEEN_CLOSES = 20


def _skew_clock(seconds: float) -> None:
    """Make the wall clock of this process wrong."""
    right = time.time
    time.time = lambda: right() + seconds
    time.time_ns = lambda: round(time.time() * 1e9)


def _run_one(journal: Journal, random: Random, manager: CheckpointManager) -> None:
    turn = 0
    while True:
        turn += 1
        worker = Worker(f"{journal.life}-{turn}", random, manager, journal)
        worker.run(JOBS_BETWEEN_CLOSES)
        worker.reopen()


def _run_threads(journal: Journal, random: Random, manager: CheckpointManager) -> None:
    for name in names_of(journal.life, THREADS):
        own = Random(random.random())  # noqa: S311 - no secret: it is to be repeated
        worker = Worker(name, own, manager, journal)
        threading.Thread(target=worker.run, name=name).start()


def main(flavour: str, life: str, seed: str, skew: str, path: str) -> None:
    """Run one life of a producer; settings are those of the environment."""
    _skew_clock(float(skew))
    random = Random(f"{seed} {flavour} {life}")  # noqa: S311 - no secret: it is to be repeated
    records = Path(path)
    journal = Journal(f"{flavour}.{life}", Recorder(records), Settings.from_env().timeout)
    start_pulse(journal)
    if flavour == "tasks":
        asyncio.run(run_tasks(journal, random))
    spool = records.with_suffix(".spool") if flavour == "spool" else None
    manager = CheckpointManager(pipeline=STAGES, spool=spool)
    if flavour == "threads":
        _run_threads(journal, random, manager)
    elif flavour == "forks":
        ForkingProducer(journal, random, manager).run()
    else:
        _run_one(journal, random, manager)


if __name__ == "__main__":
    main(*sys.argv[1:])
