"""A deep table: millions of rows of events, made by Postgres itself before anything is measured."""

import os
import time

import psycopg
from psycopg import sql

from .bare import event_of

AT_ONCE = 200_000

FILL = """
INSERT INTO {table} (partition, ms, seq, job, incarnation_ms, incarnation_seq, version, at, event,
                     number, chain)
SELECT 0, 1 + n / 1000, n %% 1000, left(md5((n / 8)::text || 'deep'), 16), 1, n / 8, n %% 8 + 1,
       to_timestamp(1), %s::json, n, sha256(n::text::bytea)
FROM generate_series(%s::bigint, %s::bigint) AS n
"""
CONSTRAINTS = """
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid = to_regclass(%s) AND contype IN ('p', 'u')
"""


def deepen(connection: psycopg.Connection, schema: str, rows: int, seconds: float) -> int:
    """Add rows of old events to an archive until it has so many, or the time is over.

    Its indexes are dropped meanwhile and built again, as they were. Returns how many rows it has.
    """
    table = sql.Identifier(schema, "event")
    name = table.as_string(connection)
    indexes = connection.execute(CONSTRAINTS.encode(), [name]).fetchall()
    for constraint, _ in indexes:
        drop = sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}")
        connection.execute(drop.format(table, sql.Identifier(constraint)))
    until, count = time.monotonic() + seconds, 0
    fill = sql.SQL(FILL).format(table=table)
    while count < rows and time.monotonic() < until:
        last = min(rows, count + AT_ONCE)
        connection.execute(fill, [event_of(0).decode(), count + 1, last])
        count = last
    for constraint, definition in indexes:
        add = sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}")
        as_it_was = sql.SQL(definition)
        connection.execute(add.format(table, sql.Identifier(constraint), as_it_was))
    connection.execute("ANALYZE")
    connection.execute("CHECKPOINT")
    os.sync()  # what is left goes to disk now, and not while something is measured
    (total,) = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(table)).fetchone() or (
        0,
    )
    return int(total)
