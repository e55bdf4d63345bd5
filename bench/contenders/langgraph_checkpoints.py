"""LangGraph's checkpoint savers: a job is a thread, and a stage a checkpoint of its channels."""

import importlib
from typing import Any

from bench.workload import DATA, STAGES

from .contender import Contender


class Checkpoints(Contender):
    """What both savers have in common; each `put` stores all channels, one of them new."""

    saver: Any

    def __init__(self) -> None:
        """Import the saver's base."""
        super().__init__()
        self._base = importlib.import_module("langgraph.checkpoint.base")

    def save(self, job: str, stage: str) -> None:
        """Put a checkpoint with the channel of one more stage."""
        number = STAGES.index(stage) + 1
        versions = {name: str(place + 1) for place, name in enumerate(STAGES[:number])}
        checkpoint = {
            **self._base.empty_checkpoint(),
            "channel_values": dict.fromkeys(versions, DATA),
            "channel_versions": versions,
        }
        metadata = {"source": "loop", "step": number, "parents": {}}
        self.saver.put(self._config(job), checkpoint, metadata, {stage: versions[stage]})

    def look_up(self, job: str) -> int:
        """Get the latest checkpoint of a thread, with all its channels."""
        found = self.saver.get_tuple(self._config(job))
        return len(found.checkpoint["channel_values"])

    def replay(self) -> int:
        """List all checkpoints of all threads."""
        return sum(1 for _ in self.saver.list(None))

    @staticmethod
    def _config(job: str) -> dict[str, Any]:
        return {"configurable": {"thread_id": job, "checkpoint_ns": ""}}
