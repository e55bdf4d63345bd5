"""Restoring a log that Redis has lost, all of it or its last seconds, from the archive.

A partition is closed while it is restored: appends and lookups raise LogNotReady. Every step can
be repeated, so a restore that is killed is simply run again. Of two at once one waits: a partition
is restored by whoever has closed it, as long as that one goes on, and what is whole is not closed.
A restarted Redis whose partitions are all whole goes on as `events.freshness` has it.

The log goes on after a fence, an entry id greater than all that may be lost: in the archive, so
that a snapshotter that still holds lost entries does not store them, and in the views, for the
projectors.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from secrets import token_hex
from typing import Any

import msgspec

from checkpoint.events.append import APPEND, RENEW
from checkpoint.events.crash_point import crash_point
from checkpoint.events.creation import ARCHIVED, Log
from checkpoint.events.entry import Entry
from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.errors import LogNotReady
from checkpoint.events.event import JobDeleted, JobRewound, StageCompleted
from checkpoint.events.freshness import Place, resume, set_meta, this_run
from checkpoint.events.keys import PartitionKeys, own_keys, pipelines, topic_meta
from checkpoint.events.script import Argument, Call, Script
from checkpoint.events.server import read_info
from checkpoint.events.steps import (
    AskArchive,
    Disconnect,
    LoadScript,
    OneRun,
    Pause,
    Steps,
    command,
    loaded,
)
from checkpoint.projector.fold import NOTHING, JobState, fold_all
from checkpoint.projector.view import READ_JOB, view_of
from checkpoint.snapshotter import restorations
from checkpoint.snapshotter.archive import Archive
from checkpoint.snapshotter.pipelines import kept
from checkpoint.snapshotter.restorations import Loss, Restoration

from .mending import drop_foreign, drop_wrong_metas, scan_heads

CLOSE_PARTITION = Script.load("checkpoint", "close_partition")
WRITE_JOBS = Script.load("checkpoint", "write_jobs")
IS_WHOLE = Script.load("checkpoint", "is_whole")
OPEN_PARTITION = Script.load("checkpoint", "open_partition")

JOBS_AT_ONCE = 100
LEASE_MS, GATHERING_LEASE_MS = 5_000, 15_000
"""How long a restore may take for a step before another goes on in its place; for the one in which
Postgres goes through all that the views lack."""
LOOK_SECONDS = 0.2
GATE = (APPEND, RENEW, READ_JOB)

Tell = Callable[[str], None]


def restore(namespace: str, tell: Tell) -> Steps[list[Restoration]]:
    """Bring Redis up to the archive; return what was restored, nothing where Redis lacks nothing.

    `tell` hears of progress. LogNotReady where the archive knows no log either, or where another
    restore went on with this one's work; LogUnavailable and ArchiveUnavailable where a server is
    away, or Redis was restarted meanwhile.
    """
    restored: list[Restoration] = yield OneRun(restoring(namespace, tell))
    return restored


def restoring(namespace: str, tell: Tell) -> Steps[list[Restoration]]:
    """Restore within one run of Redis: what it was given must not be lost before the gate opens."""
    log: Log | None = yield AskArchive(lambda archive: archive.log())
    if log is None:
        raise LogNotReady(f"The archive knows no log {namespace!r}, so there is none to restore")
    dropped = yield from drop_foreign(namespace, own_keys(namespace, log.partitions))
    dropped += yield from drop_wrong_metas(namespace, log.partitions)
    for key in dropped:
        tell(f"{key}: dropped, for it held something else")
    yield from _refuse_another(namespace, log)
    run = (yield from this_run()).decode()
    restored: list[Restoration] = []
    behind = True
    while behind:  # a snapshotter may store what was lost until that is on record
        positions: dict[int, EntryId] = yield AskArchive(lambda archive: archive.positions())
        for number in range(log.partitions):
            keys = PartitionKeys(namespace, number)
            if one := (yield from _restore_partition(keys, run, log, positions[number], tell)):
                restored.append(one)
        yield from _restore_pipelines(namespace)
        fields = ("id", log.id, "partitions", log.partitions, "state", ARCHIVED)
        yield from set_meta(namespace, *fields)
        crash_point("restore: before the gate")
        place = Place(namespace, log.partitions, has_archive=True)
        behind = bool((yield from resume(place, {one.partition for one in restored})))
    yield from open_gate(namespace)
    return restored


def _restore_pipelines(namespace: str) -> Steps[None]:
    known: dict[str, tuple[str, ...]] = yield AskArchive(kept)
    there = {name.decode() for name in (yield from command("HKEYS", pipelines(namespace)))}
    for name in known.keys() - there:
        stages = msgspec.json.encode(known[name])
        yield from command("HSETNX", pipelines(namespace), name, stages)


def keep_whole(namespace: str, tell: Tell) -> Steps[list[Restoration]]:
    """Restore what Redis lost since it was last made sure of: all of it, its end, or a partition.

    A replica's gate is closed: when it is a primary again, it has another one's log. And it is
    disconnected from: the address may lead to its primary by now.
    """
    info = yield from read_info()
    if info.get("role") != "master":
        yield from command("SCRIPT", "FLUSH")
        yield Disconnect()
        return []
    meta = topic_meta(namespace)
    state, known, count = yield from command("HMGET", meta, "state", "run", "partitions")
    is_known = state == ARCHIVED and known == info["run_id"].encode()
    if is_known and (yield from gate_is_open(namespace)):
        partitions = [PartitionKeys(namespace, number) for number in range(int(count))]
        if (yield from _are_whole(partitions)):
            return []
    if (yield AskArchive(lambda archive: archive.log())) is None:
        return []
    return (yield from restore(namespace, tell))


def _are_whole(partitions: Sequence[PartitionKeys]) -> Steps[bool]:
    for keys in partitions:
        if not (yield from command("EVAL", IS_WHOLE.text, 2, keys.meta, keys.log)):
            return False
    return True


def open_gate(namespace: str) -> Steps[None]:
    """Make Redis know the scripts that are only loaded once the log is known to be whole."""
    for script in GATE:
        yield LoadScript(script.for_log(namespace))


def gate_is_open(namespace: str) -> Steps[bool]:
    """Say whether Redis knows those scripts: if not, it was restarted."""
    names = [script.for_log(namespace).sha for script in GATE]
    return all((yield from command("SCRIPT", "EXISTS", *names)))


def _refuse_another(namespace: str, log: Log) -> Steps[None]:
    known = yield from command("HGET", topic_meta(namespace), "id")
    if known not in (None, log.id.encode()):
        raise LogNotReady(
            f"Redis holds another log {namespace!r} than the archive: see that REDIS_URL and "
            "POSTGRES_URL belong together"
        )


def _restore_partition(
    keys: PartitionKeys, run: str, log: Log, archived: EntryId, tell: Tell
) -> Steps[Restoration | None]:
    token = token_hex(8)
    archive_ms = yield AskArchive(lambda archive: archive.now_ms())
    # where this run is known, Redis was neither emptied nor restarted: its stream can be trusted
    trusted = log.id if (yield from _ran_on(keys.namespace, run)) else ""
    words = [token, str(archived), GATHERING_LEASE_MS, archive_ms, trusted]
    code, *found = yield from _close(keys, words, tell)
    if code == b"MENDED":
        tell(f"partition {keys.partition}: the key {keys.meta} was gone, and is put back")
    if code != b"CLOSED":
        return None
    crash_point("restore: partition closed")
    logged, viewed = map(EntryId.parse, found[:2])
    # ids may have been ahead of all clocks: what the projector saw of them is lost, too
    fence = EntryId(max(found[2], archive_ms, viewed.ms + 1), 0)
    after = min(logged, viewed) if found[3] else ZERO
    tell(f"partition {keys.partition}: restoring what lies after {logged}")
    begun: tuple[Restoration, list[str]] = yield AskArchive(
        partial(restorations.begin, Loss(keys.partition, logged, after, fence, run))
    )
    restored, jobs = begun
    crash_point("restore: on record")
    yield from _put_back(keys, token, jobs)
    if logged == ZERO or (yield from _ran_on(keys.namespace, run)):
        yield from _put_back_heads(keys, token, set(jobs))
    crash_point("restore: jobs written")
    opening = [keys.restoring, keys.meta, keys.log, keys.position, keys.watermark]
    last = str(max(fence, restored.archived))
    yield from _fenced(Call(OPEN_PARTITION, opening, [token, log.id, last]))
    crash_point("restore: partition opened")
    tell(f"partition {keys.partition}: {restored.jobs} jobs restored up to {restored.archived}")
    return restored


def _put_back(keys: PartitionKeys, token: str, jobs: Sequence[str]) -> Steps[None]:
    """Write jobs as the archive has them; of those that it does not have, nothing is left."""
    for some in _chunks(jobs):
        lives = yield AskArchive(partial(_latest_lives, some))
        yield from _fenced(_write_jobs(keys, token, dict.fromkeys(some, ()) | lives))


def _ran_on(namespace: str, run: str) -> Steps[bool]:
    """Say whether Redis lost the log while it ran, so that it may have what came of the log."""
    known: bytes | None = yield from command("HGET", topic_meta(namespace), "run")
    return known == run.encode()


def _put_back_heads(keys: PartitionKeys, token: str, written: set[str]) -> Steps[None]:
    """Put the jobs back that have a head: what is in it may be in no log any more."""
    cursor: bytes | None = None
    while cursor != b"0":
        cursor, found = yield from scan_heads(keys, cursor or b"0")
        yield from _fenced(_write_jobs(keys, token, {}))  # the lease runs on
        yield from _put_back(keys, token, [job for job in found if job not in written])
        written.update(found)


def _close(keys: PartitionKeys, words: list[Argument], tell: Tell) -> Steps[list[Any]]:
    """Close a partition, or wait until another restore has it whole again or is no more."""
    names = [keys.meta, keys.log, keys.position, keys.restoring]
    closing = Call(CLOSE_PARTITION, names, words)
    is_told = False
    while (answer := (yield from loaded(closing)))[0] == b"BUSY":
        if not is_told:
            tell(f"partition {keys.partition}: another restore is at work; waiting for it")
        is_told = True
        yield Pause(LOOK_SECONDS)
    return list(answer)


def _fenced(call: Call) -> Steps[None]:
    """Call a script that does nothing once another restore has closed the partition anew."""
    if not (yield from loaded(call)):
        raise LogNotReady("Another restore goes on with this one's work")


def _chunks(jobs: Sequence[str]) -> Iterator[list[str]]:
    rest = iter(jobs)
    while some := list(islice(rest, JOBS_AT_ONCE)):
        yield some


def _latest_lives(jobs: Sequence[str], archive: Archive) -> dict[str, list[Entry]]:
    return archive.latest_lives(jobs)


def _write_jobs(partition: PartitionKeys, token: str, lives: Mapping[str, Sequence[Entry]]) -> Call:
    keys = [partition.restoring]
    arguments: list[Argument] = [token, LEASE_MS]
    for job, entries in lives.items():
        keys += partition.job(job)
        arguments += job_arguments(entries)
    return Call(WRITE_JOBS, keys, arguments)


def job_arguments(entries: Sequence[Entry]) -> list[Argument]:
    """Return what the scripts that write a job take of it: its expiry, head, view and requests."""
    if not entries:
        return [0, 0, 0, 0]
    state = fold_all(NOTHING, entries)
    head = _head(state)
    requests = [part for pair in _requests(entries).items() for part in pair]
    if requests:
        head += ["keyed", 1]
    view = view_of(state)
    return [state.expires_ms, len(head), *head, len(view), *view, len(requests), *requests]


def _requests(entries: Sequence[Entry]) -> dict[str, str]:
    """Go through a life as the append script did: a rewind forgets the keys of its stages."""
    known: dict[str, tuple[str, str]] = {}
    for entry in entries:
        match entry.event:
            case StageCompleted(key=key, stage=stage) if key:
                where = f"{entry.id} {entry.version} {entry.incarnation} {stage}"
                known[key] = stage, where
            case JobRewound(stages=stages):
                known = {key: one for key, one in known.items() if one[0] not in stages}
            case JobDeleted():
                known = {}
    return {key: where for key, (_, where) in known.items()}


def _head(state: JobState) -> list[Argument]:
    # A claim is not restored: its holder may have lost what it saved, and finds that out now.
    head: list[Argument] = [
        "incarnation",
        str(state.incarnation),
        "version",
        state.version,
        "expires",
        state.expires_ms,
    ]
    return [*head, "ended", "deleted"] if state.deleted else head
