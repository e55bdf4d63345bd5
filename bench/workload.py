"""The work: what is saved, by which jobs; the same on all sides."""

import time
from collections.abc import Iterator
from hashlib import md5
from typing import Any, NamedTuple

import msgspec

from checkpoint import CheckpointManager, Settings
from checkpoint.events.entry_id import EntryId
from checkpoint.events.keys import partition_of

STAGES = tuple(f"stage-{number}" for number in range(8))
DATA: dict[str, Any] = {
    "codec": "h264",
    "duration": 120.5,
    "resolution": "1920x1080",
    "fps": 30,
    "path": "/data/videos/job/validation.json",
    "sha256": "0123456789abcdef0123456789abcdef",
}
"""About 160 bytes of JSON."""
BATCH = 4000
PARTITIONS = 8

Item = tuple[str, str, Any]


def encoded() -> bytes:
    """Write the data as JSON, as whoever calls a bare command has to do at every call."""
    return msgspec.json.encode(DATA)


def job_name(number: int) -> str:
    """Name a job so that its name says nothing of when it came: most ids of jobs are like that."""
    return md5(b"%d" % number, usedforsecurity=False).hexdigest()[:16]


def items(first: int, count: int, side_by_side: int = 1) -> Iterator[Item]:
    """Yield `count` saves of jobs of eight stages, counted from job number `first`.

    So many jobs go on side by side: each completes its first stage, then each its second.
    """
    every = side_by_side * len(STAGES)
    for number in range(count):
        group, place = divmod(number, every)
        stage, job = divmod(place, side_by_side)
        yield job_name(first + group * side_by_side + job), STAGES[stage], DATA


class Filled(NamedTuple):
    """What a log was filled with."""

    events: int
    ids: dict[int, list[EntryId]]
    """The entries of each partition, in order."""


def fill(
    settings: Settings,
    events: int,
    *,
    first: int = 0,
    side_by_side: int = 1,
    seconds: float = 600.0,
) -> Filled:
    """Append so many events through `save_many`, or as many as `seconds` are enough for."""
    ids: dict[int, list[EntryId]] = {}
    count, until = 0, time.monotonic() + seconds
    partitions = settings.partitions or PARTITIONS
    saves = items(first, events, side_by_side)
    with CheckpointManager(settings) as manager:
        while count < events and time.monotonic() < until:
            batch = [next(saves) for _ in range(min(BATCH, events - count))]
            for one in manager.save_many(batch):
                ids.setdefault(partition_of(one.job, partitions), []).append(one.id)
            count += len(batch)
    for known in ids.values():
        known.sort()
    return Filled(count, ids)


def fill_eight(settings: Settings, first: int, jobs: int) -> list[str]:
    """Append all eight stages of so many jobs; return the jobs' names."""
    fill(settings, jobs * len(STAGES), first=first)
    return [job_name(first + number) for number in range(jobs)]
