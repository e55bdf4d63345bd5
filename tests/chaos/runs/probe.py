"""The probe: saves jobs of all partitions again and again, and so knows when all was whole."""

import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import count, islice
from time import monotonic, sleep

from background import in_background
from chaos.world.names import PARTITIONS

from checkpoint import CheckpointError, CheckpointManager, Settings
from checkpoint.events.keys import partition_of

TRY_SECONDS = 1.0
POLL_SECONDS = 0.1


@dataclass
class Probe:
    """Notes when a durable save, seen in the views, was begun and done."""

    settings: Settings
    rounds: list[tuple[float, float]] = field(default_factory=list)

    def recovery(self, healed: float) -> float | None:
        """Return how long after `healed` the first round begun since then was done."""
        return next((done - healed for begun, done in self.rounds if begun >= healed), None)

    def probing(self) -> AbstractContextManager[None]:
        """Try, in a thread, as long as the block runs."""
        return in_background(self._probe, "probe")

    def _probe(self, stop: threading.Event) -> None:
        with CheckpointManager(self.settings) as manager:
            for number in count():
                if stop.wait(POLL_SECONDS):
                    return
                self._try(manager, number)

    def _try(self, manager: CheckpointManager, number: int) -> None:
        begun, jobs = monotonic(), _jobs(number)
        data = {job: {"mark": f"probe/{job}", "job": job} for job in jobs}
        try:
            manager.save_many([(job, "probe", data[job]) for job in jobs], ack="durable")
            while any(manager.get_job_progress(job)["source"] != "view" for job in jobs):
                if monotonic() - begun > TRY_SECONDS:
                    return
                sleep(POLL_SECONDS / 5)
        except CheckpointError:
            return
        self.rounds.append((begun, monotonic()))


def _jobs(number: int) -> list[str]:
    """Name a job of each partition."""
    names = (f"probe-{number}-{n}" for n in count())
    return [
        next(islice((one for one in names if partition_of(one, PARTITIONS) == part), 1))
        for part in range(PARTITIONS)
    ]
