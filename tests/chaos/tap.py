"""The tap: sees every entry of the log as it comes, past the proxies and the product's code."""

import json
import threading
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, NamedTuple

import redis
from background import in_background
from redis.backoff import NoBackoff
from redis.retry import Retry

POLL_SECONDS = 0.05


class Seen(NamedTuple):
    """One entry, as it stood in the log."""

    partition: int
    id: tuple[int, int]
    version: int
    incarnation: tuple[int, int]
    event: dict[str, Any]
    at: float
    """When it was seen, by the monotonic clock."""

    @property
    def job(self) -> str:
        """The job that the entry belongs to."""
        return str(self.event["job"])

    @property
    def mark(self) -> str:
        """What the producer called the event, or nothing for an event without data."""
        data = self.event.get("data")
        return str(data.get("mark", "")) if isinstance(data, dict) else ""


@dataclass
class Tap:
    """Reads the partitions' streams from a server's own socket."""

    url: str
    namespace: str
    partitions: int
    seen: dict[tuple[int, tuple[int, int]], Seen] = field(default_factory=dict)
    poison: set[tuple[int, tuple[int, int]]] = field(default_factory=set)
    """Entries that are no events."""
    _last: dict[int, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def client(self) -> "redis.Redis":
        """Open a connection to the server."""
        retry = Retry(NoBackoff(), 0)
        return redis.Redis.from_url(self.url, socket_timeout=10.0, retry=retry)

    def log(self, partition: int) -> str:
        """Name a partition's stream."""
        return f"{{{self.namespace}:{partition}}}:log"

    def poll(self) -> None:
        """Take in all that is new; redis' errors where the server is away."""
        with self._lock, self.client() as client:
            for partition in range(self.partitions):
                while rows := self._read(client, partition):
                    for row in rows:
                        self._take(partition, *row)

    def _read(self, client: "redis.Redis", partition: int) -> Any:
        after = f"({self._last.get(partition, '0-0')}"
        return client.xrange(self.log(partition), after, "+", count=1000)

    def _take(self, partition: int, name: bytes, fields: dict[bytes, bytes]) -> None:
        self._last[partition] = name.decode()
        entry = entry_id(name.decode())
        if set(fields) != {b"event", b"version", b"incarnation"}:
            self.poison.add((partition, entry))
            return
        born = fields[b"incarnation"].decode()
        self.seen[partition, entry] = Seen(
            partition,
            entry,
            int(fields[b"version"]),
            entry_id(born) if born else entry,
            json.loads(fields[b"event"]),
            monotonic(),
        )

    def watching(self) -> AbstractContextManager[None]:
        """Poll, in a thread, as long as the block runs."""
        return in_background(self._watch, "tap")

    def _watch(self, stop: threading.Event) -> None:
        while not stop.wait(POLL_SECONDS):
            with suppress(redis.RedisError):
                self.poll()


def entry_id(text: str) -> tuple[int, int]:
    """Read an entry id."""
    ms, _, seq = text.partition("-")
    return int(ms), int(seq)
