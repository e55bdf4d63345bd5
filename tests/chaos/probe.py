"""The probe: saves a job again and again, and so knows when the system was whole."""

import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import count
from time import monotonic, sleep

from background import in_background

from checkpoint import CheckpointError, CheckpointManager, Settings

TRY_SECONDS = 1.0
POLL_SECONDS = 0.05


@dataclass
class Probe:
    """Notes when a durable save, seen in the view, was begun and done."""

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
        begun, job = monotonic(), f"probe-{number}"
        try:
            manager.save(job, "probe", {"mark": f"probe/{number}"}, ack="durable")
            while manager.get_job_progress(job)["source"] != "view":
                if monotonic() - begun > TRY_SECONDS:
                    return
                sleep(POLL_SECONDS / 5)
        except CheckpointError:
            return
        self.rounds.append((begun, monotonic()))
