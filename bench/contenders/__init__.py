"""The contenders: the product, what it is made of, and its peers, each in a process of its own."""

from typing import NamedTuple


class Entrant(NamedTuple):
    """Who takes part."""

    name: str
    module: str
    """Of this package; it has a class `Subject`, a Contender."""
    distribution: str
    durable: bool
    """Whether what it has saved is on disk, fsynced, when it says so."""


ENTRANTS = (
    Entrant("checkpoint, log", "ours", "checkpoint-log", durable=False),
    Entrant("redis-py", "bare_redis", "redis", durable=False),
    Entrant(
        "langgraph-checkpoint-redis", "langgraph_redis", "langgraph-checkpoint-redis", durable=False
    ),
    Entrant("checkpoint, durable", "ours_durable", "checkpoint-log", durable=True),
    Entrant("psycopg", "bare_postgres", "psycopg", durable=True),
    Entrant(
        "langgraph-checkpoint-postgres",
        "langgraph_postgres",
        "langgraph-checkpoint-postgres",
        durable=True,
    ),
    Entrant("eventsourcing (Postgres)", "eventsourced", "eventsourcing", durable=True),
    Entrant("dbos (Postgres, a step)", "dbos_steps", "dbos", durable=True),
)
