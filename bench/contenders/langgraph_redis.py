"""langgraph-checkpoint-redis: its saver needs Redis' modules for JSON and search."""

import importlib
import os

from .langgraph_checkpoints import Checkpoints
from .stored import redis_bytes


class Subject(Checkpoints):
    """RedisSaver."""

    def __init__(self) -> None:
        """Connect, and make its indexes; a server without the modules refuses that."""
        super().__init__()
        self._url = os.environ["REDIS_URL"]
        saver = importlib.import_module("langgraph.checkpoint.redis").RedisSaver
        self.saver = saver(self._url)
        self.saver.setup()

    def stored_bytes(self) -> int:
        """Ask Redis."""
        return redis_bytes(self._url)
