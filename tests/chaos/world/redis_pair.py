"""Two Redis nodes, a primary and its replica, which change roles; each is a Valkey of its own."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.parse import unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from checkpoint.embedded import Valkey

LOOK_SECONDS = 0.02
IN_STEP_SECONDS = 10.0


class Node:
    """A Valkey on a unix socket, with a port besides for its replica."""

    def __init__(self, folder: Path, fsync: Iterator[str]) -> None:
        """Keep everything in `folder`; each life takes the next policy of `fsync`."""
        self._folder = folder
        self._fsync = fsync
        self.port = _free_port()
        self.policy = ""
        """The append-only file's fsync policy in this life."""
        self.server = self._new()

    @property
    def socket(self) -> str:
        """Where it listens."""
        return unquote(urlsplit(self.server.url).path)

    @property
    def append_only_files(self) -> Path:
        """The folder of its data."""
        return self.server.folder / "data" / "appendonlydir"

    def client(self) -> "redis.Redis":
        """Open a connection to it, past all links."""
        retry = Retry(NoBackoff(), 0)
        return redis.Redis.from_url(self.server.url, socket_timeout=10.0, retry=retry)

    def restart(self) -> None:
        """Start a new life of it, unless it lives."""
        if not self.server.is_running:
            self.server = self._new()
            self.server.start()

    def _new(self) -> Valkey:
        self.policy = next(self._fsync)
        options = {
            "appendfsync": self.policy,
            "port": str(self.port),
            "bind": "127.0.0.1",
            "repl-diskless-sync-delay": "0",
            # a rewrite in the middle of a fault would only change what the fault is
            "auto-aof-rewrite-percentage": "0",
        }
        return Valkey(self._folder, options=options)


class RedisPair:
    """A primary and a replica of it."""

    def __init__(self, folder: Path, fsync: Sequence[str]) -> None:
        """Keep everything in `folder`."""
        policies = cycle(fsync)
        self.nodes = [Node(folder / name, policies) for name in ("valkey-a", "valkey-b")]
        self.primary, self.replica = self.nodes

    def start(self) -> None:
        """Start both."""
        for node in self.nodes:
            node.server.start()
        self.follow()

    def stop(self) -> None:
        """Stop both."""
        for node in self.nodes:
            node.server.stop()

    def follow(self) -> None:
        """Make the replica one of the primary, as it must be told after every start."""
        self.replica.restart()
        with self.replica.client() as client:
            client.replicaof("127.0.0.1", str(self.primary.port))

    def client(self) -> "redis.Redis":
        """Open a connection to the primary, past all links."""
        return self.primary.client()

    def swap(self) -> None:
        """Call the replica the primary."""
        self.primary, self.replica = self.replica, self.primary

    def is_in_step(self) -> bool:
        """Wait until the replica has all that the primary has; False where it takes too long."""
        deadline = monotonic() + IN_STEP_SECONDS
        while monotonic() < deadline:
            with suppress(redis.RedisError, OSError):
                ours, theirs = (_replication(node) for node in (self.primary, self.replica))
                is_up = theirs.get("master_link_status") == "up"
                if is_up and theirs["slave_repl_offset"] >= ours["master_repl_offset"]:
                    return True
            sleep(LOOK_SECONDS)
        return False


def _replication(node: Node) -> Any:
    with node.client() as client:
        return client.info("replication")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
