"""A filler: saves new jobs with much data, as fast as it can."""

import threading
from dataclasses import dataclass
from itertools import count
from time import monotonic_ns

from chaos.evidence.records import Recorder
from chaos.producers.journal import Journal
from chaos.world.names import CALL_SECONDS, NAMESPACE
from chaos.world.world import World

from checkpoint import CheckpointManager, Settings

PAD = "x" * 100_000


@dataclass
class Filler:
    """Fills the memory of Redis, through the links of a producer."""

    world: World

    def fill(self, stop: threading.Event) -> None:
        """Save jobs until told to stop."""
        settings = Settings(
            redis_url=self.world.redis_url("valkey"),
            postgres_url=self.world.postgres_url("postgres"),
            namespace=NAMESPACE,
            timeout=CALL_SECONDS,
        )
        life = f"filler.{monotonic_ns()}"
        journal = Journal(life, Recorder(self.world.folder / "filler.jsonl"), CALL_SECONDS)
        with CheckpointManager(settings) as manager:
            for number in count():
                if stop.wait(0.005):
                    return
                job = f"{life}-{number}"
                with journal.saving("save", [job], stage="stage-0") as heard:
                    data = {**heard.data[0], "pad": PAD}
                    heard.acks("log", [manager.save(job, "stage-0", data)])
