"""dbos on Postgres: a job is a workflow, a stage one of its steps."""

import importlib
import os
import statistics
import time
from collections.abc import Sequence
from typing import Any

from bench.workload import DATA, STAGES

from .contender import Contender
from .stored import postgres_bytes


class Subject(Contender):
    """Workflows of eight steps."""

    def __init__(self) -> None:
        """Set dbos up, with logs of errors only, and make its tables."""
        super().__init__()
        self._url = os.environ["POSTGRES_URL"]
        self._dbos: Any = importlib.import_module("dbos")
        config = {"name": "bench", "system_database_url": self._url, "log_level": "ERROR"}
        self._dbos.DBOS(config=config)
        self._times: list[float] = []

        def workflow() -> None:
            for stage in STAGES:
                self.save("", stage)

        self._workflow = self._dbos.DBOS.workflow(name="job")(workflow)
        self._dbos.DBOS.launch()

    def save(self, job: str, stage: str) -> None:  # noqa: ARG002 - the workflow knows its job
        """Run a step of the workflow that runs, and note how long it took."""
        begun = time.perf_counter()
        self._dbos.DBOS.run_step({"name": stage}, lambda: DATA)
        self._times.append(time.perf_counter() - begun)

    def save_micros(self, jobs: int) -> float:
        """Run workflows one by one; the times are those of their steps."""
        self._times = []
        for job in self.new_jobs(jobs):
            with self._dbos.SetWorkflowID(job):
                self._workflow()
        return statistics.median(self._times) * 1e6

    def look_up(self, job: str) -> int:
        """List the steps of a workflow, with their outputs."""
        steps = self._dbos.DBOS.list_workflow_steps(job)
        return sum(step["output"] == DATA for step in steps)

    def ingest(self, jobs: Sequence[str]) -> None:
        """Run workflows in as many threads as dbos likes."""
        handles = []
        for job in jobs:
            with self._dbos.SetWorkflowID(job):
                handles.append(self._dbos.DBOS.start_workflow(self._workflow))
        for handle in handles:
            handle.get_result()

    def replay(self) -> int:
        """List all workflows, and the steps of each."""
        known = self._dbos.DBOS.list_workflows()
        return sum(len(self._dbos.DBOS.list_workflow_steps(one.workflow_id)) for one in known)

    def stored_bytes(self) -> int:
        """Ask Postgres."""
        return postgres_bytes(self._url)

    def close(self) -> None:
        """Stop its threads."""
        self._dbos.DBOS.destroy()
