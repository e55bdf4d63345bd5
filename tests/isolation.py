"""What one test has to itself on servers that may hold what is not ours.

Each test has a namespace of its own in Redis and a database of its own in Postgres. They are
removed after it, and nothing else ever is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, urlencode

import psycopg
import redis
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict


def remove_namespace(redis_url: str, namespace: str) -> None:
    """Delete every key of `namespace`, and of namespaces whose names begin with it."""
    with redis.Redis.from_url(redis_url) as client:
        keys = list(client.scan_iter(match=f"{{{namespace}*", count=1000))
        if keys:
            client.unlink(*keys)


@contextmanager
def database(postgres_url: str, name: str, encoding: str = "UTF8") -> Iterator[str]:
    """Create a database on the server of `postgres_url`, yield its URL, and drop it."""
    identifier = sql.Identifier(name)
    create = "CREATE DATABASE {} ENCODING {} TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
    statement = sql.SQL(create if encoding != "UTF8" else "CREATE DATABASE {}")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(statement.format(identifier, sql.Literal(encoding)))
    try:
        yield _url_of(postgres_url, name)
    finally:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))


def _url_of(postgres_url: str, name: str) -> str:
    """Name a database of the server of `postgres_url`, be that a URL or a conninfo string."""
    parameters = {**conninfo_to_dict(postgres_url), "dbname": name}
    return f"postgresql:///?{urlencode(parameters, quote_via=quote)}"
