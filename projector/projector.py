"""The projector: applies slices of the log to the views, each once."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence

from checkpoint.events.async_lines import AsyncLines
from checkpoint.events.crash_point import crash_point
from checkpoint.events.entry import Entry, decode_all
from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.keys import PartitionKeys
from checkpoint.events.slices import Slice
from checkpoint.events.work import Observe, Stopwatch, unobserved

from .change import parse_written, write_views
from .fold import JobState
from .projection import by_job, project
from .view import parse_position, parse_states, read_position, read_states

log = logging.getLogger(__name__)


class Projector:
    """Writes the views of one log. Any number of projectors may work on the same partition."""

    def __init__(self, redis: AsyncLines, namespace: str, observe: Observe = unobserved) -> None:
        """Take lines to the log's Redis, the log's name, and who hears of every write."""
        self._redis = redis
        self._namespace = namespace
        self._observe = observe
        self._turns: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def position(self, partition: int) -> EntryId:
        """Return the last entry id that the partition's views have."""
        keys = PartitionKeys(self._namespace, partition)
        stored, dropped = await self._redis.run_loaded(read_position(keys))
        if dropped:
            log.warning(
                "%s: it was no position of this log (%r); its views begin again with the log",
                keys.position,
                dropped[:40],
            )
        return parse_position(stored)

    async def apply(self, part: Slice) -> EntryId:
        """Apply what the views lack of a slice, and return where they stand now.

        Slices of one partition take turns, in the order of the calls; others go on meanwhile.

        That is the slice's last entry or further, or before the slice if entries are missing
        between, or Redis has lost the slice; then nothing was applied.
        """
        async with self._turns[part.partition]:
            return await self._apply(part)

    async def _apply(self, part: Slice) -> EntryId:
        partition = PartitionKeys(self._namespace, part.partition)
        entries, dead = decode_all(part.entries)
        for letter in dead:
            log.warning("%s: entry %s is passed over: %s", partition.log, letter.id, letter.reason)
        position = part.after
        while True:
            watch = Stopwatch()
            moved = await self._write(partition, position, part.last, entries)
            if moved is None:
                self._observe(watch.stop([entries], len(dead)))
                return part.last
            if moved >= part.last or moved < part.after or moved == ZERO:
                return moved
            position = moved

    async def _write(
        self, partition: PartitionKeys, position: EntryId, last: EntryId, entries: Sequence[Entry]
    ) -> EntryId | None:
        jobs = by_job(entry for entry in entries if entry.id > position)
        known: list[tuple[JobState, bytes]] = []
        if jobs:
            reply = await self._redis.run_loaded(read_states(partition, jobs))
            known = parse_states(reply)
        states = {job: state for job, (state, _) in zip(jobs, known, strict=True)}
        changes = project(states, jobs)
        stamps = [stamp for _, stamp in known]
        call = write_views(partition, position, last, changes, stamps)
        crash_point("view: before the write")
        written = await self._redis.run_loaded(call)
        crash_point("view: after the write")
        return parse_written(written)
