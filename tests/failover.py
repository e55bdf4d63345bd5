"""A primary and its replica behind one address, and what operators do with them."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from losing_proxy import LosingProxy, losing_proxy
from processes import eventually

from checkpoint.embedded import Valkey


@dataclass
class Node:
    """A Redis, and the port by which others replicate it."""

    server: Valkey
    port: int

    def command(self, *words: Any) -> Any:
        """Run one command."""
        with redis.Redis.from_url(self.server.url) as client:
            return client.execute_command(*words)

    def replicate(self, other: "Node") -> None:
        """Become a replica, and stay so."""
        self.command("REPLICAOF", "127.0.0.1", other.port)

    def is_level_with(self, other: "Node") -> bool:
        """Say whether it has all that its primary has."""
        with redis.Redis.from_url(self.server.url) as client:
            mine: Any = client.info("replication")
        with redis.Redis.from_url(other.server.url) as client:
            theirs: Any = client.info("replication")
        is_linked = mine.get("master_link_status") == "up"
        return is_linked and mine["master_repl_offset"] == theirs["master_repl_offset"]


@dataclass
class Pair:
    """Two nodes, of which the first is the primary, and the address that leads to it."""

    primary: Node
    replica: Node
    proxy: LosingProxy

    def fail_over(self) -> None:
        """Exchange the nodes as planned: connections that are open stay with the old primary."""
        eventually(lambda: self.replica.is_level_with(self.primary))
        self.replica.command("REPLICAOF", "NO", "ONE")
        self.primary.replicate(self.replica)
        self.proxy.lead_to(self.replica.server.url)
        self.primary, self.replica = self.replica, self.primary


@contextmanager
def pair(folder: Path) -> Iterator[Pair]:
    """Yield a primary and a replica that run as long as the block does."""
    with ExitStack() as stack:
        first, second = (stack.enter_context(node(folder / name)) for name in ("first", "second"))
        second.replicate(first)
        proxy = stack.enter_context(losing_proxy(first.server.url))
        yield Pair(first, second, proxy)


@contextmanager
def node(folder: Path, **options: str) -> Iterator[Node]:
    """Yield a Redis that can be replicated."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    listen = {"port": str(port), "bind": "127.0.0.1"}
    with Valkey(folder, options={**listen, **options}) as server:
        yield Node(server, port)
