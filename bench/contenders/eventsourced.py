"""eventsourcing on Postgres: a job is an aggregate, a completed stage one of its events."""

import importlib
import os
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from bench.workload import DATA, STAGES

from .contender import Contender
from .stored import postgres_bytes

PAGE = 1000
JOBS_AT_ONCE = 100


class Subject(Contender):
    """An application of the library, with its recorder for Postgres."""

    def __init__(self) -> None:
        """Set the application up from a URL, and make its tables."""
        super().__init__()
        self._url = os.environ["POSTGRES_URL"]
        application = importlib.import_module("eventsourcing.application")
        self._job = _aggregate()
        self._app = application.Application(env=_environment(self._url))
        self._ids: dict[str, Any] = {}
        self._begun: tuple[str, Any] = ("", None)

    def save(self, job: str, stage: str) -> None:
        """Complete a stage of the aggregate that is held, and save it."""
        if self._begun[0] != job:
            self._begun = (job, self._new(job))
        self._begun[1].complete(stage, DATA)
        self._app.save(self._begun[1])

    def look_up(self, job: str) -> int:
        """Get the aggregate from the repository."""
        return len(self._app.repository.get(self._ids[job]).stages)

    def ingest(self, jobs: Sequence[str]) -> None:
        """Save a hundred aggregates at a time, with all their events."""
        for first in range(0, len(jobs), JOBS_AT_ONCE):
            aggregates = [self._new(job) for job in jobs[first : first + JOBS_AT_ONCE]]
            for one in aggregates:
                for stage in STAGES:
                    one.complete(stage, DATA)
            self._app.save(*aggregates)

    def replay(self) -> int:
        """Select all notifications, and map them to events."""
        count, start = 0, 1
        while found := self._app.recorder.select_notifications(start=start, limit=PAGE):
            for one in found:
                self._app.mapper.to_domain_event(one)
            count, start = count + len(found), found[-1].id + 1
        return count

    def stored_bytes(self) -> int:
        """Ask Postgres."""
        return postgres_bytes(self._url)

    def close(self) -> None:
        """Close the application."""
        self._app.close()

    def _new(self, job: str) -> Any:
        one = self._job()
        self._ids[job] = one.id
        return one


def _aggregate() -> Any:
    """Make the class of jobs; the library is imported only here."""
    domain: Any = importlib.import_module("eventsourcing.domain")

    class Job(domain.Aggregate):  # type: ignore[misc] # of a library that mypy does not see
        """A job and the data of its completed stages."""

        def __init__(self) -> None:
            """Begin."""
            self.stages: dict[str, Any] = {}

        @domain.event("Completed")  # type: ignore[untyped-decorator] # as above
        def complete(self, stage: str, data: Any) -> None:
            """Complete a stage."""
            self.stages[stage] = data

    return Job


def _environment(url: str) -> dict[str, str]:
    where = urlsplit(url)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": where.path.lstrip("/"),
        "POSTGRES_HOST": str(where.hostname),
        "POSTGRES_PORT": str(where.port),
        "POSTGRES_USER": str(where.username),
        "POSTGRES_PASSWORD": str(where.password),
    }
