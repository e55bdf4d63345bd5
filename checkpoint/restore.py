"""Restoring a log that Redis has lost, all of it or its last seconds, from the archive.

A partition is closed while it is restored: appends and lookups raise LogNotReady. Every step can
be repeated, so a restore that is killed is simply run again, and two at once do no harm.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice

from checkpoint.events.append import APPEND, RENEW
from checkpoint.events.creation import ARCHIVED, Log
from checkpoint.events.entry import Entry
from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.errors import LogNotReady
from checkpoint.events.freshness import Behind, Place, last_id
from checkpoint.events.keys import PartitionKeys, topic_meta
from checkpoint.events.script import Argument, Call, Script
from checkpoint.events.steps import AskArchive, LoadScript, Steps, command
from checkpoint.projector.fold import NOTHING, JobState, fold_all
from checkpoint.projector.view import READ_JOB, Change
from checkpoint.snapshotter import restorations
from checkpoint.snapshotter.archive import Archive
from checkpoint.snapshotter.restorations import Restoration

WRITE_JOBS = Script.load("checkpoint", "write_jobs")
OPEN_PARTITION = Script.load("checkpoint", "open_partition")

JOBS_AT_ONCE = 100

Tell = Callable[[str], None]


def restore(namespace: str, tell: Tell) -> Steps[list[Restoration]]:
    """Bring Redis up to the archive; return what was restored, nothing where Redis lacks nothing.

    `tell` hears of progress. LogNotReady where the archive knows no log either; LogUnavailable and
    ArchiveUnavailable where a server is away.
    """
    log: Log | None = yield AskArchive(lambda archive: archive.log())
    if log is None:
        raise LogNotReady(f"The archive knows no log {namespace!r}, so there is none to restore")
    yield from _refuse_another(namespace, log)
    behind = yield from find_lost(Place(namespace, log.partitions, has_archive=True))
    restored = []
    for lost in behind:
        tell(f"partition {lost.partition}: restoring what lies after {lost.logged}")
        one = yield from _restore_partition(namespace, log, lost)
        tell(f"partition {lost.partition}: {one.jobs} jobs restored up to {one.archived}")
        restored.append(one)
    meta = topic_meta(namespace)
    yield from command("HSET", meta, "id", log.id, "partitions", log.partitions, "state", ARCHIVED)
    yield from open_gate()
    return restored


def keep_whole(namespace: str, tell: Tell) -> Steps[list[Restoration]]:
    """Restore what Redis lost, if it was restarted or emptied since it was last made sure of."""
    state = yield from command("HGET", topic_meta(namespace), "state")
    if state == ARCHIVED and (yield from gate_is_open()):
        return []
    if (yield AskArchive(lambda archive: archive.log())) is None:
        return []
    return (yield from restore(namespace, tell))


def find_lost(place: Place) -> Steps[list[Behind]]:
    """Find the partitions that Redis has lost, wholly or in part."""
    positions: dict[int, EntryId] = yield AskArchive(lambda archive: archive.positions())
    found = []
    for number in range(place.partitions):
        keys = PartitionKeys(place.namespace, number)
        logged = yield from last_id(keys)
        archived = positions.get(number, ZERO)
        if logged < archived or not (yield from command("EXISTS", keys.meta)):
            found.append(Behind(number, logged, max(archived, logged)))
    return found


def open_gate() -> Steps[None]:
    """Make Redis know the scripts that are only loaded once the log is known to be whole."""
    for script in (APPEND, RENEW, READ_JOB):
        yield LoadScript(script)


def gate_is_open() -> Steps[bool]:
    """Say whether Redis knows those scripts: if not, it was restarted."""
    known = yield from command("SCRIPT", "EXISTS", APPEND.sha, RENEW.sha, READ_JOB.sha)
    return all(known)


def _refuse_another(namespace: str, log: Log) -> Steps[None]:
    known = yield from command("HGET", topic_meta(namespace), "id")
    if known not in (None, log.id.encode()):
        raise LogNotReady(
            f"Redis holds another log {namespace!r} than the archive: see that REDIS_URL and "
            "POSTGRES_URL belong together"
        )


def _restore_partition(namespace: str, log: Log, lost: Behind) -> Steps[Restoration]:
    keys = PartitionKeys(namespace, lost.partition)
    yield from command("DEL", keys.meta)
    seconds, _ = yield from command("TIME")
    jobs: list[str] = yield AskArchive(
        lambda archive: restorations.jobs_after(
            archive, lost.partition, lost.logged, int(seconds) * 1000
        )
    )
    for some in _chunks(jobs):
        histories = yield AskArchive(partial(_histories, some))
        yield from _call(_write_jobs(keys, some, histories))
    restored = Restoration(lost.partition, lost.logged, lost.archived, len(jobs))
    yield AskArchive(lambda archive: restorations.record(archive, restored))
    yield from _call(
        Call(
            OPEN_PARTITION,
            [keys.meta, keys.log, keys.position, keys.watermark],
            [log.id, str(lost.archived)],
        )
    )
    return restored


def _histories(jobs: Sequence[str], archive: Archive) -> list[list[Entry]]:
    return [archive.job_entries(job)[0] for job in jobs]


def _call(call: Call) -> Steps[None]:
    yield LoadScript(call.script)
    yield call


def _chunks(jobs: Sequence[str]) -> Iterator[list[str]]:
    rest = iter(jobs)
    while some := list(islice(rest, JOBS_AT_ONCE)):
        yield some


def _write_jobs(
    partition: PartitionKeys, jobs: Sequence[str], histories: Sequence[Sequence[Entry]]
) -> Call:
    keys: list[str] = []
    arguments: list[Argument] = []
    for job, entries in zip(jobs, histories, strict=True):
        keys += partition.job(job)
        arguments += _job_arguments(entries)
    return Call(WRITE_JOBS, keys, arguments)


def _job_arguments(entries: Sequence[Entry]) -> list[Argument]:
    state = fold_all(NOTHING, entries)
    head = _head(state)
    requests = [
        part
        for entry in entries
        if entry.event.key and not state.deleted
        for part in (entry.event.key, f"{entry.id} {entry.version} {entry.incarnation}")
    ]
    if requests:
        head += ["keyed", 1]
    view: list[Argument] = ["incarnation", str(state.incarnation), "version", state.version]
    view += Change(NOTHING, state).fields()
    return [state.expires_ms, len(head), *head, len(view), *view, len(requests), *requests]


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
