"""A producer that forks, and that saves in a handler of SIGTERM."""

import os
import signal
import time
import traceback
from dataclasses import replace
from itertools import count
from random import Random

from checkpoint import CheckpointManager

from .answers import STAGES
from .journal import Journal
from .pulse import start_pulse
from .work import Worker

JOBS_OF_A_CHILD = 3
CHILDREN = 2
"""How many children may live at a time."""


class ForkingProducer:
    """Its children go on with the manager that they inherit, while it goes on itself."""

    def __init__(self, journal: Journal, random: Random, manager: CheckpointManager) -> None:
        """Take what it begins with."""
        self._worker = Worker(journal.life, random, manager, journal)
        self._children: set[int] = set()
        self._saved = count()

    def run(self) -> None:
        """Go on for ever."""
        signal.signal(signal.SIGTERM, self._save_in_handler)
        for number in count():
            self._worker.own_job(f"{self._worker.name}-{number}")
            self._worker.look_back()
            self._reap()
            if len(self._children) < CHILDREN:
                self._fork(number)

    def _fork(self, number: int) -> None:
        random = Random(self._worker.random.random())  # noqa: S311 - no secret: it is to be repeated
        life = f"{self._worker.name}.{number}"
        if pid := os.fork():
            self._children.add(pid)
            return
        try:
            journal = self._worker.journal.forked(life)
            start_pulse(journal)
            parent, self._worker = (
                self._worker,
                replace(self._worker, name=life, random=random, journal=journal),
            )
            self._worker.ask(parent.past[-1])
            self._worker.run(JOBS_OF_A_CHILD)
            self._worker.reopen()
        except BaseException:  # noqa: BLE001 - the child must end here
            traceback.print_exc()
        finally:
            os._exit(0)

    def _reap(self) -> None:
        for pid in list(self._children):
            if os.waitpid(pid, os.WNOHANG)[0]:
                self._children.discard(pid)

    def _save_in_handler(self, *_: object) -> None:
        worker = self._worker
        job = f"{worker.name}-term-{next(self._saved)}-{time.monotonic_ns()}"
        with worker.journal.saving("save", [job], stage=STAGES[0]) as heard:
            saved = worker.manager.save(job, STAGES[0], heard.data[0])
            heard.acks("log", [saved])
