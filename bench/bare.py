"""Bare Postgres: a table with the columns and indexes that events need, INSERT and binary COPY."""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Self

import psycopg
from psycopg import sql

from .servers import Bench
from .turns import rate
from .workload import STAGES, encoded, job_name

CREATE = b"""
CREATE TABLE bare (
    partition smallint NOT NULL, ms bigint NOT NULL, seq bigint NOT NULL,
    job text NOT NULL, incarnation_ms bigint NOT NULL, incarnation_seq bigint NOT NULL,
    version bigint NOT NULL, at timestamptz NOT NULL, event json NOT NULL,
    PRIMARY KEY (partition, ms, seq), UNIQUE (job, incarnation_ms, incarnation_seq, version))
"""
INSERT = b"INSERT INTO bare VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
COLUMNS = (
    *("partition", "ms", "seq", "job", "incarnation_ms", "incarnation_seq"),
    *("version", "at", "event", "number", "chain"),
)
TYPES = (
    *("int2", "int8", "int8", "text", "int8", "int8", "int8"),
    *("int8", "bytea", "int8", "bytea"),
)
"""A timestamptz is an int8 on the wire, and json its bytes: the cheapest that psycopg can send."""
ROWS_PER_COMMIT = 20_000
COPIED_PARTITION = 100
"""Rows of COPY are of partitions that no log here has, so that they meet no row of the archive."""

Row = tuple[Any, ...]


class Bare:
    """A bare table, and a connection that commits every INSERT into it."""

    def __init__(self, bench: Bench) -> None:
        """Take the servers."""
        self._url = bench.postgres.url
        self._number = 0

    def __enter__(self) -> Self:
        """Connect, and make the table anew."""
        self.connection = psycopg.connect(self._url, autocommit=True)
        self.connection.execute("DROP TABLE IF EXISTS bare")
        self.connection.execute(CREATE)
        return self

    def __exit__(self, *_: object) -> None:
        """Drop it."""
        self.connection.execute("DROP TABLE bare")
        self.connection.close()

    def insert(self, _: int) -> None:
        """INSERT one row, its data written as JSON now, and commit."""
        number = self._number = self._number + 1
        job, version, at = job_name(number // 8), number % 8 + 1, datetime.now(UTC)
        values = [0, number, 0, job, number // 8, 0, version, at, encoded().decode()]
        self.connection.execute(INSERT, values)


def event_of(number: int) -> bytes:
    """Write the event that the log has of a save, as the archive keeps it."""
    job, stage = job_name(number // 8), STAGES[number % 8]
    head = f'{{"type":"stage_completed","job":"{job}","stage":"{stage}","data":'
    return head.encode() + encoded() + b"}"


def rows(first: int, count: int) -> Iterator[Row]:
    """Yield rows of the event table, of jobs of eight stages from job number `first` on."""
    born = time.time_ns() // 1_000_000
    at = (born - 946_684_800_000) * 1000
    for number in range(first * 8, first * 8 + count):
        job, event, version = job_name(number // 8), event_of(number), number % 8 + 1
        key = (COPIED_PARTITION, born, number, job, born, number // 8, version)
        yield *key, at, event, number, bytes(32)


def copy_into(connection: psycopg.Connection, schema: str, first: int, count: int) -> float:
    """COPY so many rows, made beforehand, into an archive's event table; return rows a second.

    A transaction has 20,000 of them, as the snapshotter's has.
    """
    ready = list(rows(first, count))
    parts = [ready[start : start + ROWS_PER_COMMIT] for start in range(0, count, ROWS_PER_COMMIT)]
    statement = sql.SQL("COPY {}.event ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(schema), sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
    )

    def copy_all() -> None:
        for part in parts:
            _copy(connection, statement, part)

    return rate(count, copy_all)


def _copy(connection: psycopg.Connection, statement: sql.Composed, ready: Sequence[Row]) -> None:
    with (
        connection.transaction(),
        connection.cursor() as cursor,
        cursor.copy(statement) as copy,
    ):
        copy.set_types(TYPES)
        for row in ready:
            copy.write_row(row)
