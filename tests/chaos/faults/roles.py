"""Faults in which Redis' primary and its replica change roles."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from time import monotonic, sleep

import redis
from chaos.evidence.tap import Tap
from chaos.world.redis_pair import LOOK_SECONDS, Node
from chaos.world.world import World

from .losses import ON_DISK, PATIENCE_SECONDS, LossFaults
from .schedule import Fault

NOTICE_SECONDS = 1.0
NOWHERE_PORT = 1


class RoleFaults:
    """Promotes the replica. The endpoint moves; connections stay open to whom they have."""

    def __init__(self, world: World, tap: Tap, losing: LossFaults) -> None:
        """Take who is to be hurt, and who keeps account of what is lost."""
        self._world = world
        self._redis = world.redis
        self._tap = tap
        self._losing = losing
        self.ways: dict[str, Callable[[Fault], Iterator[None]]] = {
            "failover": self._fail_over,
            "promote": self._promote,
        }

    def _fail_over(self, fault: Fault) -> Iterator[None]:
        """Fail over as planned, by either of Redis' ways: nothing may be lost."""
        if self._redis.is_in_step():
            is_done = self._by_command() if int(fault.at * 10) % 2 else self._by_hand()
            if is_done:
                self._redis.swap()
                self._world.point_at_primary()
                self._tap.survey()
                # The old primary has what a promoted one must not have, the scripts that say that
                # nothing was lost: workers that are connected to it make it forget them.
                sleep(NOTICE_SECONDS)
                with suppress(redis.RedisError), self._redis.replica.client() as client:
                    client.script_flush()
        yield

    def _by_command(self) -> bool:
        with self._redis.primary.client() as client:
            port = str(self._redis.replica.port)
            client.execute_command("FAILOVER", "TO", "127.0.0.1", port, "TIMEOUT", "5000")
        return _becomes_primary(self._redis.replica)

    def _by_hand(self) -> bool:
        primary, replica = self._redis.primary, self._redis.replica
        with primary.client() as old, replica.client() as new:
            old.client_pause(int(PATIENCE_SECONDS * 1000), all=False)
            is_in_step = self._redis.is_in_step()
            if is_in_step:
                new.replicaof("NO", "ONE")
                old.replicaof("127.0.0.1", str(replica.port))
            old.client_unpause()
        return is_in_step

    def _promote(self, fault: Fault) -> Iterator[None]:
        """Promote a replica that lacks the primary's last moments, for the primary is dead."""
        if not self._redis.is_in_step():
            yield
            return
        with self._redis.replica.client() as client:
            client.replicaof("127.0.0.1", str(NOWHERE_PORT))
        yield
        self._losing.see_everything()
        with self._losing.lost(fault.kind, ON_DISK):
            self._world.kill("valkey")
            self._redis.swap()
            with self._redis.primary.client() as client:
                client.replicaof("NO", "ONE")
            self._world.point_at_primary()
        self._redis.follow()


def _becomes_primary(node: Node) -> bool:
    deadline = monotonic() + PATIENCE_SECONDS
    while monotonic() < deadline:
        with suppress(redis.RedisError), node.client() as client:
            if client.info("replication")["role"] == "master":
                return True
        sleep(LOOK_SECONDS)
    return False
