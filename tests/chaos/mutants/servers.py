"""Broken servers: they do something else with what they are given, and do not say so."""

from collections.abc import Callable

import psycopg
from chaos.world.names import NAMESPACE
from chaos.world.world import World


def _trigger(body: str) -> Callable[[World], None]:
    """Let a trigger do something to some of the archive's rows."""

    def prepare(world: World) -> None:
        with psycopg.connect(world.postgres.url) as connection:
            connection.execute(
                f"CREATE FUNCTION mutant() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN "
                f"IF NEW.seq + NEW.ms % 20 = 0 AND NEW.job NOT LIKE 'probe%' THEN {body} END IF; "
                f"RETURN NEW; END$$"
            )
            connection.execute(
                f"CREATE TRIGGER mutant BEFORE INSERT ON {NAMESPACE}.event "
                "FOR EACH ROW EXECUTE FUNCTION mutant()"
            )

    return prepare


def _evict(world: World) -> None:
    with world.redis.primary.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")


def _give_ids_again(world: World) -> None:
    """Let a partition's stream begin anew with the id that its last entry had."""
    log = f"{{{NAMESPACE}:0}}:log"
    with world.redis.primary.client() as client:
        transaction = client.pipeline()
        transaction.eval(
            "local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]; "
            'last[2][2] = \'{"type":"job_deleted","job":"j"}\'; '
            "redis.call('DEL', KEYS[1]); redis.call('XADD', KEYS[1], last[1], unpack(last[2]))",
            1,
            log,
        )
        transaction.execute()


SERVERS: dict[str, Callable[[World], None]] = {
    "drop rows": _trigger("RETURN NULL;"),
    "change rows": _trigger("NEW.event := replace(NEW.event::text, 'stage-', 'stage_');"),
    "refuse rows": _trigger("RAISE data_exception;"),
    "evict": _evict,
    "give ids again": _give_ids_again,
}
"""What is done to the servers once the system is whole."""
