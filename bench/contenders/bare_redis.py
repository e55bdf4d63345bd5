"""Bare redis-py: XADD for the log, a hash for what is looked up."""

import os
from collections.abc import Sequence
from typing import Any

import msgspec
import redis

from bench.workload import STAGES, encoded

from .contender import Contender
from .stored import redis_bytes

XADDS_AT_ONCE = 500
PAGE = 1000


class Subject(Contender):
    """XADD, HGETALL with JSON, pipelines, XRANGE."""

    def __init__(self) -> None:
        """Connect."""
        super().__init__()
        self._url = os.environ["REDIS_URL"]
        self._client: Any = redis.Redis.from_url(self._url)
        self._log = "contender-redis"
        self._unhashed: list[str] = []

    def save(self, job: str, stage: str) -> None:
        """XADD the data, written as JSON now."""
        self._client.xadd(self._log, {"job": job, "stage": stage, "event": encoded()})

    def look_up(self, job: str) -> int:
        """HGETALL, and decode each field."""
        found = self._client.hgetall(f"contender-{job}")
        return len([msgspec.json.decode(data) for data in found.values()])

    def ingest(self, jobs: Sequence[str]) -> None:
        """XADD in pipelines."""
        events = [(job, stage) for job in jobs for stage in STAGES]
        for first in range(0, len(events), XADDS_AT_ONCE):
            pipe = self._client.pipeline(transaction=False)
            for job, stage in events[first : first + XADDS_AT_ONCE]:
                pipe.xadd(self._log, {"job": job, "stage": stage, "event": encoded()})
            pipe.execute()
        self._unhashed += jobs

    def settle(self) -> None:
        """HSET what was ingested."""
        pipe = self._client.pipeline(transaction=False)
        for job in self._unhashed:
            pipe.hset(f"contender-{job}", mapping=dict.fromkeys(STAGES, encoded()))
        pipe.execute()
        self._unhashed = []

    def replay(self) -> int:
        """XRANGE page after page, and decode."""
        count, start = 0, "-"
        while rows := self._client.xrange(self._log, start, "+", count=PAGE):
            for _, fields in rows:
                msgspec.json.decode(fields[b"event"])
            count, start = count + len(rows), f"({rows[-1][0].decode()}"
        return count

    def stored_bytes(self) -> int:
        """Ask Redis: the log, and the hashes of what was settled."""
        return redis_bytes(self._url)
