"""What is asked of every contender: the same jobs of eight stages, saved, found, read."""

import statistics
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence

from bench.workload import STAGES, job_name

LOOKED_UP = 20


class Contender(ABC):
    """A contender at work. Jobs are counted up, so that each call finds new ones."""

    def __init__(self) -> None:
        """Begin with job number 0."""
        self._jobs = 0

    @abstractmethod
    def save(self, job: str, stage: str) -> None:
        """Complete one stage of a job, with its data."""

    @abstractmethod
    def look_up(self, job: str) -> int:
        """Find a job as who resumes it would; return how many stages' data there is, decoded."""

    @abstractmethod
    def replay(self) -> int:
        """Read everything that is stored, decoded; return how many events that was."""

    @abstractmethod
    def stored_bytes(self) -> int:
        """Return how many bytes the server has stored for this contender."""

    def ingest(self, jobs: Sequence[str]) -> None:
        """Complete all stages of many jobs, in bulk where there is a way for that."""
        for job in jobs:
            for stage in STAGES:
                self.save(job, stage)

    def settle(self) -> None:  # noqa: B027 - most have nothing to do
        """Do what comes later to what was saved, before it is found or counted."""

    def close(self) -> None:  # noqa: B027 - as above
        """Let go of connections."""

    def new_jobs(self, count: int) -> list[str]:
        """Name jobs that were not named before."""
        first, self._jobs = self._jobs, self._jobs + count
        return [job_name(number) for number in range(first, first + count)]

    def save_micros(self, jobs: int) -> float:
        """Return the median of the times of saves, in microseconds; the first ones do not count."""
        (first,) = self.new_jobs(1)
        for stage in STAGES:
            self.save(first, stage)
        times = []
        for job in self.new_jobs(jobs):
            for stage in STAGES:
                begun = time.perf_counter()
                self.save(job, stage)
                times.append(time.perf_counter() - begun)
        return statistics.median(times) * 1e6

    def look_up_micros(self, rounds: int) -> float:
        """Return the median of the times of lookups of jobs with eight stages."""
        jobs = self.new_jobs(LOOKED_UP)
        self.ingest(jobs)
        self.settle()
        times = []
        for job in jobs * rounds:
            begun = time.perf_counter()
            found = self.look_up(job)
            times.append(time.perf_counter() - begun)
            if found != len(STAGES):
                raise AssertionError(f"{found} stages were found of {len(STAGES)}")
        return statistics.median(times) * 1e6

    def ingested_per_second(self, jobs: int) -> float:
        """Return how many events a second are ingested."""
        names = self.new_jobs(jobs)
        begun = time.perf_counter()
        self.ingest(names)
        return jobs * len(STAGES) / (time.perf_counter() - begun)

    def replayed_per_second(self) -> float:
        """Return how many events a second are read and decoded."""
        begun = time.perf_counter()
        return self.replay() / (time.perf_counter() - begun)

    def bytes_per_event(self, jobs: int) -> float:
        """Return how many bytes an event of many more takes."""
        before = self.stored_bytes()
        self.ingest(self.new_jobs(jobs))
        self.settle()
        return (self.stored_bytes() - before) / (jobs * len(STAGES))
