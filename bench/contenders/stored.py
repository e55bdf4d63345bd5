"""How many bytes servers have stored."""

import psycopg
import redis

TABLES = b"""
SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""


def postgres_bytes(url: str) -> int:
    """Return the size of all tables of a database, with their indexes."""
    with psycopg.connect(url) as connection:
        (found,) = connection.execute(TABLES).fetchone() or (0,)
    return int(found)


def redis_bytes(url: str) -> int:
    """Return the memory that a server uses, without the buffers of its clients."""
    with redis.Redis.from_url(url) as client:
        memory = client.info("memory")
    return int(memory["used_memory"] - memory["mem_clients_normal"] - memory["mem_aof_buffer"])
