"""Registering a log with an archive that knows none, where the archive was lost and has no backup.

The archive begins with what the log still has. What the log had dropped by then is in no archive,
and that is on record: `verify` says why these versions are missing. The views have it all the same,
but a Redis that is restored from this archive will not.
"""

from functools import partial

from checkpoint.events.creation import ARCHIVED, Log, find_log
from checkpoint.events.entry_id import EntryId
from checkpoint.events.errors import LogNotReady
from checkpoint.events.freshness import last_id
from checkpoint.events.keys import PartitionKeys, topic_meta
from checkpoint.events.steps import AskArchive, Steps, command
from checkpoint.snapshotter import restorations


def register(namespace: str) -> Steps[dict[int, EntryId]]:
    """Make an archive that knows no log that of the log in Redis.

    Returns the partitions of which the log has dropped entries, and the last of those. Nothing is
    done where the archive is that of this log already. LogNotReady where Redis holds no log, or
    the archive that of another.
    """
    log = yield from find_log(namespace)
    if log is None:
        raise LogNotReady(f"Redis holds no log {namespace!r}, so there is none to register")
    known: Log | None = yield AskArchive(lambda archive: archive.find_log())
    if known and known.id != log.id:
        raise LogNotReady(
            f"The archive holds another log {namespace!r} than Redis: see that REDIS_URL and "
            "POSTGRES_URL belong together, or name another CHECKPOINT_NAMESPACE"
        )
    if known:
        return {}
    dropped = {}
    for number in range(log.partitions):
        keys = PartitionKeys(namespace, number)
        # it was that of the archive that is lost: the log must not be trimmed by it
        yield from command("DEL", keys.watermark)
        if last := (yield from _last_dropped(keys)):
            dropped[number] = last
    yield AskArchive(partial(restorations.begin_after, log, dropped))
    yield from command("HSET", topic_meta(namespace), "state", ARCHIVED)
    return dropped


def _last_dropped(keys: PartitionKeys) -> Steps[EntryId | None]:
    """Return an id that is not before any entry that was dropped; None where all are there."""
    if not (yield from command("EXISTS", keys.log)):
        return None
    told = yield from command("XINFO", "STREAM", keys.log)
    stream = dict(zip(told[::2], told[1::2], strict=True))
    if stream[b"entries-added"] == stream[b"length"]:
        return None
    if first := stream[b"first-entry"]:
        return EntryId.parse(first[0]).before
    return (yield from last_id(keys))
