"""Bare psycopg: INSERT with its commit, SELECT by job, binary COPY in and out."""

import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import psycopg

from bench.bare import CREATE, INSERT, TYPES
from bench.workload import STAGES, encoded

from .contender import Contender
from .stored import postgres_bytes

COPY = b"COPY bare FROM STDIN (FORMAT BINARY)"
OUT = b"COPY bare (ms, job, version, event) TO STDOUT (FORMAT BINARY)"
FIND = b"SELECT event::text FROM bare WHERE job = %s ORDER BY version"
JOBS_AT_ONCE = 125
"""A thousand rows a transaction."""


class Subject(Contender):
    """A table with the columns and indexes that events need."""

    def __init__(self) -> None:
        """Connect, and make the table."""
        super().__init__()
        self._url = os.environ["POSTGRES_URL"]
        self._connection = psycopg.connect(self._url, autocommit=True)
        self._connection.execute(CREATE)
        self._number = 0

    def save(self, job: str, stage: str) -> None:
        """INSERT a row, its data written as JSON now, and commit."""
        version, at = STAGES.index(stage) + 1, datetime.now(UTC)
        values = [0, self._next(), 0, job, 0, 0, version, at, encoded().decode()]
        self._connection.execute(INSERT, values)

    def look_up(self, job: str) -> int:
        """SELECT the rows of a job, and decode each."""
        rows = self._connection.execute(FIND, [job]).fetchall()
        return len([msgspec.json.decode(text) for (text,) in rows])

    def ingest(self, jobs: Sequence[str]) -> None:
        """COPY a thousand rows in a transaction, each written as JSON now."""
        for first in range(0, len(jobs), JOBS_AT_ONCE):
            with self._connection.cursor() as cursor, cursor.copy(COPY) as copy:
                copy.set_types(TYPES[:9])
                for job in jobs[first : first + JOBS_AT_ONCE]:
                    for version in range(1, len(STAGES) + 1):
                        at = time.time_ns() // 1000 - 946_684_800_000_000
                        copy.write_row((0, self._next(), 0, job, 0, 0, version, at, encoded()))

    def replay(self) -> int:
        """COPY all rows out, and decode."""
        count = 0
        with self._connection.cursor() as cursor, cursor.copy(OUT) as copy:
            copy.set_types(("int8", "text", "int8", "bytea"))
            for row in copy.rows():
                msgspec.json.decode(row[-1])
                count += 1
        return count

    def stored_bytes(self) -> int:
        """Ask Postgres."""
        return postgres_bytes(self._url)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _next(self) -> int:
        self._number += 1
        return self._number
