"""Mending keys: what holds something else than it should is dropped, and made anew by its owner."""

from collections.abc import Sequence

from checkpoint.events.freshness import Place
from checkpoint.events.keys import PartitionKeys, members, pipelines
from checkpoint.events.steps import Steps, command
from checkpoint.query.lag import CONSUMERS
from checkpoint.query.verify.keys import find_foreign, meta_is_right, unusable

KEYS_AT_ONCE = 5000


def drop_foreign(namespace: str, keys: Sequence[str]) -> Steps[list[str]]:
    """Drop those of some keys that have the type of something else; return their names."""
    found = [one.key for one in (yield from find_foreign(namespace, keys))]
    if found:
        yield from command("DEL", *found)
    return found


def drop_wrong_metas(namespace: str, partitions: int) -> Steps[list[str]]:
    """Drop the metas of partitions that a log cannot go on with: a restore makes them anew."""
    found = []
    for number in range(partitions):
        keys = PartitionKeys(namespace, number)
        is_there = yield from command("EXISTS", keys.meta)
        if is_there and not (yield from meta_is_right(keys)):
            yield from command("DEL", keys.meta)
            found.append(keys.meta)
    return found


def drop_unusable(place: Place, number: int) -> Steps[list[str]]:
    """Drop what is made of log and archive, of one partition or of all, and cannot be right.

    The projector's position, after which the projector begins again with the log; the watermark,
    which the snapshotter publishes again; what managers declared and workers said of themselves,
    which they say again. Returns the names of the keys.
    """
    namespace, keys = place.namespace, PartitionKeys(place.namespace, number)
    of_log = [pipelines(namespace), *(members(namespace, kind) for kind in CONSUMERS)]
    found = yield from drop_foreign(namespace, [*of_log, keys.position, keys.watermark])
    for key in (yield from unusable(place, number)):
        yield from command("DEL", key)
        found.append(key)
    return found


def scan_heads(partition: PartitionKeys, cursor: bytes) -> Steps[tuple[bytes, list[str]]]:
    """Find some jobs that have a head, and where to go on; a job may come twice."""
    start = partition.job("").head
    cursor, keys = yield from command(
        "SCAN", cursor or 0, "MATCH", f"{start}*", "COUNT", KEYS_AT_ONCE
    )
    # a key that a stranger made need not be text
    return cursor, [key.decode(errors="replace")[len(start) :] for key in keys]
