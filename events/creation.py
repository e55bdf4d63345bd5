"""How a log comes to be: the very first use creates it, whoever comes first.

The log has an id that Redis and the archive both hold. An empty Redis does not become a new log
while the archive knows of one: then the log was lost, and must be restored.
"""

from typing import NamedTuple
from uuid import uuid4

from .crash_point import crash_point
from .errors import LogNotReady, PartitionCountMismatch
from .keys import DEFAULT_PARTITIONS, PartitionKeys, topic_meta
from .script import Script
from .server import read_info
from .steps import AskArchive, Steps, command

CREATE_PARTITION = Script.load("checkpoint.events", "create_partition")

READY, ARCHIVED = b"ready", b"archived"
"""The state of a log that is there: in Redis alone, or known to the archive too."""


class Log(NamedTuple):
    """A log's identity."""

    id: str
    partitions: int


def open_log(
    namespace: str, partitions: int | None, *, has_archive: bool, known: Log | None = None
) -> Steps[Log]:
    """Find the log, or create it; LogNotReady where it was lost, PartitionCountMismatch.

    A caller that has `known` a log does not create one in its place.

    Every step can be repeated by another process after a crash at any point. An archive that was
    configured only later gets to know the log.
    """
    meta = topic_meta(namespace)
    log, state = yield from _read(meta)
    if known is not None and (log is None or log.id != known.id):
        raise LogNotReady(
            f"Redis has lost the log {namespace!r}. Where there is an archive, a snapshotter "
            "restores it as soon as it runs; `checkpoint restore` does it by hand"
        )
    if log is None:
        yield from command("HSETNX", meta, "partitions", partitions or DEFAULT_PARTITIONS)
        yield from command("HSETNX", meta, "id", uuid4().hex)
        crash_point("log: named")
        log, state = yield from _read(meta)
    if log is None:
        raise LogNotReady
    if partitions not in (None, log.partitions):
        raise PartitionCountMismatch(
            f"The log {namespace!r} has {log.partitions} partitions, not {partitions}: the number "
            "is fixed when a log is created. Leave CHECKPOINT_PARTITIONS unset, or name another "
            "CHECKPOINT_NAMESPACE"
        )
    if state != ARCHIVED and (has_archive or state != READY):
        yield from _finish(namespace, log, state, has_archive=has_archive)
    return log


def find_log(namespace: str) -> Steps[Log | None]:
    """Find the log that Redis holds, without creating one."""
    return (yield from _read(topic_meta(namespace)))[0]


def _read(meta: str) -> Steps[tuple[Log | None, bytes]]:
    name, count, state = yield from command("HMGET", meta, "id", "partitions", "state")
    try:
        log = Log(name.decode(), int(count)) if name and count else None
    except ValueError as error:
        raise LogNotReady(
            f"The key {meta} does not name a log, but id={name!r}, partitions={count!r}: "
            "`checkpoint restore` mends it from the archive"
        ) from error
    return log, state or b""


def _finish(namespace: str, log: Log, state: bytes, *, has_archive: bool) -> Steps[None]:
    meta = topic_meta(namespace)
    if has_archive:
        known = yield AskArchive(lambda archive: archive.register_log(log))
        if known.id != log.id:
            yield from _refuse(namespace, state)
    crash_point("log: registered")
    for number in range(log.partitions):
        keys = PartitionKeys(namespace, number)
        yield from command("EVAL", CREATE_PARTITION.text, 2, keys.meta, keys.log, log.id)
    crash_point("log: partitions marked")
    run = (yield from read_info())["run_id"]
    done = ARCHIVED if has_archive else READY
    yield from command("HSET", meta, "state", done, "run", run)


def _refuse(namespace: str, state: bytes) -> Steps[None]:
    if state == READY:
        raise LogNotReady(
            f"The archive holds another log {namespace!r} than Redis: see that REDIS_URL and "
            "POSTGRES_URL belong together, or name another CHECKPOINT_NAMESPACE"
        )
    yield from command("DEL", topic_meta(namespace))
    raise LogNotReady(
        f"Redis is empty, but the archive holds the log {namespace!r}: "
        "restore it with `checkpoint restore`"
    )
