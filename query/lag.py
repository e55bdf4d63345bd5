"""Lag: how far projector and snapshotter are behind the log, as Redis alone can tell."""

from typing import Any, NamedTuple

from checkpoint.events.entry_id import EntryId
from checkpoint.events.keys import PartitionKeys
from checkpoint.events.script import Call, Script
from checkpoint.events.steps import Steps, loaded

MEASURE_LAG = Script.load("checkpoint.events", "measure_lag")

CONSUMERS = ("projector", "snapshotter")
"""Who reads the log, by the names of their consumer groups."""


class Lag(NamedTuple):
    """What a consumer has not applied yet of a partition."""

    consumer: str
    partition: int
    entries: int
    """Exact up to a hundred; of more, what was applied in the last second may still be counted,
    and where the consumer never published how far it is, all that the log holds."""
    seconds: float
    """The age of the oldest entry that is not applied yet; 0.0 where there is none."""
    position: EntryId
    """The last entry applied, the snapshotter's being the watermark; 0-0 where it never ran."""
    last: EntryId
    """The last entry that the log had, trimmed or not; 0-0 where it never had one."""


def measure_lag(namespace: str, partitions: int) -> Steps[list[Lag]]:
    """Measure every partition, each consumer in turn. Raises LogUnavailable.

    A log without an archive has a snapshotter that never ran.
    """
    measured = []
    for number in range(partitions):
        measured += parse_lag(number, (yield from loaded(measure_call(namespace, number))))
    return measured


def measure_call(namespace: str, partition: int) -> Call:
    """Ask how far the consumers of one partition are."""
    keys = PartitionKeys(namespace, partition)
    return Call(MEASURE_LAG, [keys.log, keys.position, keys.watermark], CONSUMERS)


def parse_lag(partition: int, reply: Any) -> list[Lag]:
    """Read the answer to `measure_call`."""
    now_ms, last, *consumers = reply
    return [
        Lag(
            consumer,
            partition,
            entries,
            # a restored log may end in the future of this clock
            max(0, now_ms - EntryId.parse(oldest).ms) / 1000 if oldest else 0.0,
            EntryId.parse(position),
            EntryId.parse(last),
        )
        for consumer, (position, entries, oldest) in zip(CONSUMERS, consumers, strict=True)
    ]
