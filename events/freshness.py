"""Freshness: whether Redis still has what the archive has of the log.

A Redis that was restarted, or a replica that was promoted, may come back with an older state, and
nothing in that state says so. But it comes back without the scripts that were loaded, so whoever
finds a script missing compares the log with the archive before loading it again; until then
nobody appends to the log or reads a job. Nothing is spent on this while Redis runs.
"""

from typing import Any, NamedTuple

from .creation import ARCHIVED
from .entry_id import ZERO, EntryId
from .errors import ArchiveUnavailable, LogNotReady, ScriptUnknown
from .keys import PartitionKeys, topic_meta
from .script import Call
from .steps import AskArchive, LoadScript, Steps, SyncedCall, command


class Place(NamedTuple):
    """Where to look: a log, and whether an archive is configured beside it."""

    namespace: str
    partitions: int
    has_archive: bool


class Behind(NamedTuple):
    """A partition whose log ends before the archive does."""

    partition: int
    logged: EntryId
    archived: EntryId


def on_fresh_log(place: Place, step: Call | SyncedCall) -> Steps[Any]:
    """Call a script; if Redis does not know it, only after making sure of the log.

    LogNotReady where Redis lacks entries that the archive has, or where that cannot be found out.
    """
    try:
        return (yield step)
    except ScriptUnknown:
        yield from check_fresh(place)
        yield LoadScript((step.call if isinstance(step, SyncedCall) else step).script)
        return (yield step)


def check_fresh(place: Place) -> Steps[None]:
    """Raise LogNotReady unless Redis has all that the archive has."""
    if not place.has_archive:
        if (yield from command("HGET", topic_meta(place.namespace), "state")) == ARCHIVED:
            raise LogNotReady(
                "Redis was restarted, and this process knows no archive to compare it with: a "
                "snapshotter does that as soon as it runs; or set POSTGRES_URL"
            )
        return
    try:
        behind = yield from find_behind(place)
    except ArchiveUnavailable as error:
        raise LogNotReady(
            f"Redis was restarted, and cannot be compared with the archive: {error}"
        ) from error
    if behind:
        raise LogNotReady(
            f"Redis came back with an older log: partition {behind[0].partition} ends at "
            f"{behind[0].logged}, and the archive has entries up to {behind[0].archived}. A "
            "snapshotter restores it as soon as it runs; `checkpoint restore` does it by hand"
        )


def find_behind(place: Place) -> Steps[list[Behind]]:
    """Find the partitions whose log ends before the archive does."""
    positions: dict[int, EntryId] = yield AskArchive(lambda archive: archive.positions())
    found = []
    for number in range(place.partitions):
        logged = yield from last_id(PartitionKeys(place.namespace, number))
        archived = positions.get(number, ZERO)
        if logged < archived:
            found.append(Behind(number, logged, archived))
    return found


def last_id(partition: PartitionKeys) -> Steps[EntryId]:
    """Return the id that the last entry of a partition's log had, trimmed or not."""
    if not (yield from command("EXISTS", partition.log)):
        return ZERO
    stream = yield from command("XINFO", "STREAM", partition.log)
    return EntryId.parse(dict(zip(stream[::2], stream[1::2], strict=True))[b"last-generated-id"])
