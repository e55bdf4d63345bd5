"""langgraph-checkpoint-postgres: its saver over a connection that commits every statement."""

import importlib
import os

import psycopg
from psycopg.rows import dict_row

from .langgraph_checkpoints import Checkpoints
from .stored import postgres_bytes


class Subject(Checkpoints):
    """PostgresSaver."""

    def __init__(self) -> None:
        """Connect as its own `from_conn_string` does, and make its tables."""
        super().__init__()
        self._url = os.environ["POSTGRES_URL"]
        saver = importlib.import_module("langgraph.checkpoint.postgres").PostgresSaver
        self._connection = psycopg.connect(
            self._url, autocommit=True, prepare_threshold=0, row_factory=dict_row
        )
        self.saver = saver(self._connection)
        self.saver.setup()

    def stored_bytes(self) -> int:
        """Ask Postgres."""
        return postgres_bytes(self._url)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
