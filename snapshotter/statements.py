"""Statements that go to Postgres in one message, and are answered in one.

A durable save waits for each of them, so they are planned once for a connection. The driver's own
way to both is its pipeline mode, but that sends every statement by itself.
"""

import re
from collections.abc import Sequence
from itertools import count
from typing import Any, Self

from psycopg import ClientCursor, Connection

from .schema import query

PREPARED = "lock_positions", "locked_standings", "insert_event", "extend_chain"


def prepare(connection: Connection) -> None:
    """Let a connection know what `Statements.run` runs."""
    # by itself the driver prepares what is repeated, and forgets all at once when it rolls back
    connection.prepare_threshold = None
    for name in PREPARED:
        numbers = count(1)
        text = re.sub(rb"%s", lambda _: b"$%d" % next(numbers), query(name))  # noqa: B023 - used up
        connection.execute(b"PREPARE %b AS %b" % (name.encode(), text))


class Statements:
    """Any number of statements, with their values."""

    def __init__(self) -> None:
        """Begin with none."""
        self._texts: list[bytes] = []
        self._values: list[Any] = []

    def add(self, text: bytes, values: Sequence[Any] = ()) -> Self:
        """Add a statement."""
        self._texts.append(text)
        self._values += values
        return self

    def run(self, name: str, *values: Any) -> Self:
        """Add one that is prepared."""
        places = b", ".join([b"%s"] * len(values))
        return self.add(b"EXECUTE %b (%b)" % (name.encode(), places), values)

    def send(self, connection: Connection) -> ClientCursor:
        """Send them all; return what the last of them brings."""
        cursor = ClientCursor(connection)
        cursor.execute(b"; ".join(self._texts), self._values)
        while cursor.nextset():
            pass
        return cursor
