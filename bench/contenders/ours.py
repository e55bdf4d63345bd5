"""The product: saves acknowledged by the log, while a projector runs."""

from collections.abc import Sequence
from contextlib import closing
from typing import ClassVar

from bench.servers import wait_until
from bench.workload import DATA, STAGES
from checkpoint import CheckpointManager, Settings
from checkpoint.events import payload
from checkpoint.events.event import StageCompleted
from checkpoint.query.history.audit import states_after
from checkpoint.query.history.stream import find_extent, stream
from checkpoint.query.lag import measure_lag
from checkpoint.query.listing.place import find_place
from checkpoint.servers import Servers

from .contender import Contender
from .stored import redis_bytes

JOBS_AT_ONCE = 500


class Subject(Contender):
    """Saves, resume points, `save_many`, and a replay of what the log has."""

    ack: ClassVar[str] = "log"
    consumer: ClassVar[str] = "projector"

    def __init__(self) -> None:
        """Connect."""
        super().__init__()
        self.settings = Settings.from_env()
        self.manager = CheckpointManager(self.settings)

    def save(self, job: str, stage: str) -> None:
        """Save."""
        self.manager.save(job, stage, DATA, ack=self.ack)

    def look_up(self, job: str) -> int:
        """Get the resume point."""
        point = self.manager.get_resume_point(job)
        return len(point["stage_data"]) if point else 0

    def ingest(self, jobs: Sequence[str]) -> None:
        """Save many."""
        for first in range(0, len(jobs), JOBS_AT_ONCE):
            some = jobs[first : first + JOBS_AT_ONCE]
            saves = ((job, stage, DATA) for job in some for stage in STAGES)
            self.manager.save_many(saves, ack=self.ack)

    def settle(self) -> None:
        """Wait until the worker has applied all."""
        with closing(Servers(self.settings)) as servers:
            place = servers.run(find_place(self.settings.namespace, has_archive=False))

            def is_applied() -> bool:
                lags = servers.run(measure_lag(place.namespace, place.partitions))
                return not any(lag.entries for lag in lags if lag.consumer == self.consumer)

            wait_until(is_applied)

    def replay(self) -> int:
        """Fold all events, and decode the data of each."""
        has_archive = self.settings.postgres_url is not None
        count = 0
        with closing(Servers(self.settings)) as servers:
            place = servers.run(find_place(self.settings.namespace, has_archive=has_archive))
            extent = servers.run(find_extent(place, 0, None, has_log=not has_archive))
            for entries, _ in states_after(
                stream(servers.run, place, extent, has_log=not has_archive)
            ):
                for entry in entries:
                    if isinstance(entry.event, StageCompleted):
                        payload.decode(entry.event.data)
                count += len(entries)
        return count

    def stored_bytes(self) -> int:
        """Ask Redis: log, heads, indexes and views."""
        return redis_bytes(self.settings.redis_url)

    def close(self) -> None:
        """Close the manager."""
        self.manager.close()
