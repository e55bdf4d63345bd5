"""The tap: sees every entry of the log as it comes, past the links and the product's code."""

import json
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from itertools import count
from time import monotonic
from typing import Any

import redis
from background import in_background

from .facts import Place, Seen, entry_id

POLL_SECONDS = 0.05
POLLS_PER_ROUND = 40


@dataclass
class Tap:
    """Reads the partitions' streams from the primary's own socket."""

    client: Callable[[], "redis.Redis"]
    """Opens a connection to the primary."""
    namespace: str
    partitions: int
    seen: dict[Place, Seen] = field(default_factory=dict)
    poison: set[Place] = field(default_factory=set)
    """Entries that are no events."""
    renamed: list[str] = field(default_factory=list)
    """Entries whose id was given to another one before."""
    _last: dict[int, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

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

    def survey(self) -> frozenset[Place]:
        """Return every entry that Redis has now, and begin again at the first one.

        After a loss ids may come that are smaller than what was seen before it.
        """
        with self._lock:
            self._last.clear()
        self.poll()
        with self.client() as client:
            rows = {n: client.xrange(self.log(n)) for n in range(self.partitions)}
        return frozenset(
            (n, entry_id(row[0].decode())) for n, found in rows.items() for row in found
        )

    def mark_poison(self, place: Place) -> None:
        """Note that an entry is no event, though it looks like one here."""
        self.poison.add(place)
        self.seen.pop(place, None)

    def see_and(self, partition: int, command: Sequence[str]) -> frozenset[Place]:
        """Carry out a command; return all that was seen before it, to the last entry."""
        with self._lock, self.client() as client:
            transaction = client.pipeline()
            transaction.xrange(self.log(partition), f"({self._last.get(partition, '0-0')}", "+")
            transaction.execute_command(*command)
            rows, _ = transaction.execute(raise_on_error=False)
            for row in rows:
                self._take(partition, *row)
            self._last.pop(partition, None)
            return frozenset(self.seen) | self.poison

    def _read(self, client: "redis.Redis", partition: int) -> Any:
        after = f"({self._last.get(partition, '0-0')}"
        return client.xrange(self.log(partition), after, "+", count=1000)

    def _take(self, partition: int, name: bytes, fields: dict[bytes, bytes]) -> None:
        self._last[partition] = name.decode()
        place = partition, entry_id(name.decode())
        if place in self.poison:
            return
        try:
            one = _event(place, fields)
        except (KeyError, ValueError, TypeError):
            self.poison.add(place)
            return
        before = self.seen.setdefault(place, one)
        if before._replace(at=0.0) != one._replace(at=0.0):
            self.renamed.append(f"{before}, then {one}")

    def watching(self) -> AbstractContextManager[None]:
        """Poll, in a thread, as long as the block runs."""
        return in_background(self._watch, "tap")

    def _watch(self, stop: threading.Event) -> None:
        for turn in count():
            if stop.wait(POLL_SECONDS):
                return
            if turn % POLLS_PER_ROUND == 0:  # an id may have been given to another entry
                with self._lock:
                    self._last.clear()
            with suppress(redis.RedisError):
                self.poll()


def _event(place: Place, fields: dict[bytes, bytes]) -> Seen:
    if set(fields) != {b"event", b"version", b"incarnation"}:
        raise ValueError(fields)
    born = fields[b"incarnation"].decode()
    event = json.loads(fields[b"event"])
    if not event["job"] or not event["type"]:
        raise ValueError(event)
    return Seen(
        *place,
        int(fields[b"version"]),
        entry_id(born) if born else place[1],
        event,
        monotonic(),
    )
