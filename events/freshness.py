"""Freshness: whether Redis still has what the archive has of the log.

A Redis that was restarted, or a replica that was promoted, may come back with an older state, and
nothing in that state says so. But it comes back without the scripts that were loaded, so whoever
finds a script missing compares the log with the archive before loading it again; until then
nobody appends to the log or reads a job. Nothing is spent on this while Redis runs.

A log that does not end before the archive may still have lost its last second. So it is put on
record where it goes on, and since when: what has an id in between was lost, and a snapshotter that
still holds it is refused. The two are told apart by their ids, so the later one of Redis' and of
Postgres' clock counts.

A primary that was a replica meanwhile would keep its scripts: who keeps the log whole makes a
replica forget them.
"""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from .crash_point import crash_point
from .creation import ARCHIVED
from .entry_id import ZERO, EntryId
from .errors import (
    ArchiveUnavailable,
    LogNotCompared,
    LogNotReady,
    LogUnavailable,
    ScriptUnknown,
)
from .keys import PartitionKeys, topic_meta
from .script import Argument, Call, Script
from .server import read_primary_info
from .steps import AskArchive, Disconnect, LoadScript, OneRun, Steps, SyncedCall, command, loaded

RESTORED = "A snapshotter restores it as soon as it runs; `checkpoint restore` does it by hand"
"""What becomes of a log that has lost something, for messages that say so."""

SET_META = Script.load("checkpoint.events", "set_meta")
SET_FENCE = Script.load("checkpoint.events", "set_fence")


class Place(NamedTuple):
    """Where to look: a log, and whether an archive is configured beside it."""

    namespace: str
    partitions: int
    has_archive: bool


class Behind(NamedTuple):
    """A partition whose log ends before the archive does, or is not there at all."""

    partition: int
    logged: EntryId | None
    """Where the log ends; None where there is no stream."""
    archived: EntryId


def on_fresh_log(place: Place, step: Call | SyncedCall) -> Steps[Any]:
    """Call a script; if Redis does not know it, only after making sure of the log.

    LogNotReady where Redis lacks entries that the archive has; LogUnavailable or LogNotCompared
    where that cannot be found out now; LogUnavailable where Redis forgets the script at once.
    """
    try:
        return (yield step)
    except ScriptUnknown:
        script = (step.call if isinstance(step, SyncedCall) else step).script
    try:
        yield OneRun(_open(place, script))
        return (yield step)
    except ScriptUnknown as error:
        yield Disconnect()  # a new connection seems to lead to another server than this one
        raise LogUnavailable(
            "Redis forgot its scripts as soon as they were loaded, or is another one by now",
            reconnect=True,
        ) from error


def _open(place: Place, script: Script) -> Steps[None]:
    """Load a script into the run of Redis that was made sure of, and into no later one."""
    yield from check_fresh(place)
    yield LoadScript(script)


def check_fresh(place: Place) -> Steps[None]:
    """Go on with the log of a Redis that may have been restarted, or raise LogNotReady.

    That is unless Redis has all that the archive has. LogUnavailable while the archive is away,
    LogNotCompared where none is known: both pass by themselves.
    """
    if not place.has_archive:
        if (yield from command("HGET", topic_meta(place.namespace), "state")) == ARCHIVED:
            raise LogNotCompared(
                "Redis was restarted, and this process knows no archive to compare it with: a "
                "snapshotter does that as soon as it runs; or set POSTGRES_URL"
            )
        return
    try:
        behind = yield from resume(place)
    except ArchiveUnavailable as error:
        raise LogUnavailable(
            f"Redis was restarted, and cannot be compared with the archive: {error}"
        ) from error
    if behind:
        raise LogNotReady(older(behind))


def older(behind: Sequence[Behind]) -> str:
    """Say of a log that it ends before the archive does, and what to do."""
    number, logged, archived = behind[0]
    what = (
        f"Redis has lost the stream of partition {number}"
        if logged is None
        else f"Redis came back with an older log: partition {number} ends at {logged}"
    )
    return f"{what}, and the archive has entries up to {archived}. {RESTORED}"


def resume(place: Place, restored: Collection[int] = ()) -> Steps[list[Behind]]:
    """Put on record that Redis, if it was restarted, goes on with the log.

    Of partitions that were `restored` that is on record. Returns the partitions whose log ends
    before the archive does; then it must not go on. LogNotReady where Redis has no log.
    """
    run = yield from this_run()
    meta = topic_meta(place.namespace)
    name, known = yield from command("HMGET", meta, "id", "run")
    if not name:
        raise LogNotReady
    if known == run:
        return (yield from find_behind(place))
    # The time comes first: what is appended in between must not seem to be lost. Both clocks are
    # asked, for the Redis that gave the lost ids may have been another one.
    fence_ms = max((yield AskArchive(lambda archive: archive.now_ms())), (yield from redis_ms()))
    ends = {}
    for number in set(range(place.partitions)) - set(restored):
        ends[number] = yield from last_id(PartitionKeys(place.namespace, number))
    fences = None
    if None not in ends.values():
        fences = yield AskArchive(lambda archive: archive.resume(run.decode(), ends, fence_ms))
    if fences is None:
        return (yield from find_behind(place))
    crash_point("restart: on record")
    for number, fence in fences.items():
        keys = PartitionKeys(place.namespace, number)
        if not (yield from loaded(Call(SET_FENCE, [keys.meta, keys.log], [fence]))):
            raise LogNotReady
    crash_point("restart: fenced")
    yield from set_meta(place.namespace, "run", run)
    return []


def set_meta(namespace: str, *fields: Argument) -> Steps[None]:
    """Write fields and values of a log's meta, also where Redis is full."""
    yield from command("EVAL", SET_META.text, 1, topic_meta(namespace), *fields)


def this_run() -> Steps[bytes]:
    """Name the run of Redis: another one after every restart. LogUnavailable for a replica."""
    return (yield from read_primary_info())["run_id"].encode()


def redis_ms() -> Steps[int]:
    """Ask Redis for its time: milliseconds since 1970."""
    seconds, micros = yield from command("TIME")
    return int(seconds) * 1000 + int(micros) // 1000


def find_behind(place: Place) -> Steps[list[Behind]]:
    """Find the partitions whose log ends before the archive does."""
    positions: dict[int, EntryId] = yield AskArchive(lambda archive: archive.positions())
    found = []
    for number in range(place.partitions):
        logged = yield from last_id(PartitionKeys(place.namespace, number))
        archived = positions.get(number, ZERO)
        if logged is None or logged < archived:
            found.append(Behind(number, logged, archived))
    return found


def last_entry(partition: PartitionKeys) -> Steps[EntryId]:
    """Return the id of the last entry that is in a partition's log; ZERO where there is none."""
    rows = yield from command("XREVRANGE", partition.log, "+", "-", "COUNT", 1)
    return EntryId.parse(rows[0][0]) if rows else ZERO


def last_id(partition: PartitionKeys) -> Steps[EntryId | None]:
    """Return the id that the last entry of a partition's log had, trimmed or not; None: no log."""
    if not (yield from command("EXISTS", partition.log)):
        return None
    stream = yield from command("XINFO", "STREAM", partition.log)
    return EntryId.parse(dict(zip(stream[::2], stream[1::2], strict=True))[b"last-generated-id"])
