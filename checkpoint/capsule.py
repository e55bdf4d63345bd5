"""Capsules, as steps: a job is exported into a file, and begins anew elsewhere from one."""

from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version as release_of
from typing import TYPE_CHECKING

from checkpoint.events.entry import Entry
from checkpoint.events.entry_id import ZERO, EntryId, utc
from checkpoint.events.errors import JobNotLive, LogUnavailable, PayloadTooLarge
from checkpoint.events.event import JobForked, JobRewound, StageCompleted, StageFailed
from checkpoint.events.freshness import redis_ms
from checkpoint.events.keys import PartitionKeys, partition_of
from checkpoint.events.names import check_name
from checkpoint.events.steps import AskArchive, Steps, command
from checkpoint.projector.fold import NOTHING, JobState, fold_all
from checkpoint.query.capsule import Capsule, CapsuleWriter, Header, latest_life
from checkpoint.query.lookup import SCAN_ENTRIES, decoded, look_up_past, no_such_job
from checkpoint.query.pipeline import declare, declared

from .answers import ask
from .core import Core
from .travel import MAX_EVENTS, begin, ttl_ms_of

if TYPE_CHECKING:
    from checkpoint.snapshotter.archive import Archive

ROWS_AT_ONCE = 200
DISTRIBUTION = "checkpoint-log"

StageEvent = StageCompleted | StageFailed | JobRewound
"""What a capsule's job begins anew with; claims stay behind."""

Write = Callable[[bytes], object]


def export_job(core: Core, job: str, write: Write) -> Steps[int]:
    """Write a job's capsule, line by line, to what takes bytes; return how many entries it has.

    While Redis is away, those are what the archive has. JobNotLive where no event of the job is on
    record; CheckpointError where one is missing, for a capsule is whole.
    """
    header, partition = yield from _begun(core, check_name("job", job))
    writer = CapsuleWriter(header, write)
    positions: dict[int, EntryId] = {}
    last = ZERO
    if core.settings.postgres_url is not None:
        positions = yield AskArchive(lambda archive: archive.positions())
        last = yield from _write_archived(job, writer)
    if partition:
        position = positions.get(partition.partition, ZERO)
        yield from _write_logged(partition, job, max(position, last), writer)
    if not writer.close():
        raise no_such_job(job, has_archive=core.settings.postgres_url is not None)
    return writer.entries


def import_job(core: Core, capsule: Capsule, name: str | None = None) -> Steps[list[str]]:
    """Let the latest life in a capsule go on as a job of this log; return its completed stages.

    It begins as a fork, in one call: it is there whole or not at all. It brings its completed,
    failed and rewound stages along; of a life too long for one call, the live checkpoints only.
    Its time to live counts anew. JobNotLive where that life was deleted; VersionConflict where the
    job lives here already; InvalidName; PayloadTooLarge.
    """
    life = latest_life(capsule.entries)
    state = fold_all(NOTHING, life)
    if state.deleted:
        raise JobNotLive(f"Job {capsule.job!r} was deleted before it was exported")
    log = yield from core.open()
    origin = JobForked(
        job=check_name("job", name or capsule.job),
        ttl_ms=ttl_ms_of(state),
        source=capsule.job,
        incarnation=str(state.incarnation),
        version=state.version,
        log="" if capsule.header.log == log.id else capsule.header.log,
    )
    events = [_storable(core, one) for one in _carried(life, state)]
    yield from begin(core, origin, events)
    known = yield from declared(core.settings.namespace)
    if capsule.pipeline.name not in known:
        yield from declare(core.settings.namespace, capsule.pipeline)
    return list(state.checkpoints)


def _begun(core: Core, job: str) -> Steps[tuple[Header, PartitionKeys | None]]:
    """Make the header, and say which partition has the job; None while Redis is away."""
    settings = core.settings
    name = (yield from ask(core, job, look=look_up_past)).state.pipeline
    header = partial(
        Header,
        job=job,
        pipeline=name,
        namespace=settings.namespace,
        release=release_of(DISTRIBUTION),
    )
    try:
        log = yield from core.open()
        now_ms = yield from redis_ms()
        known = yield from declared(settings.namespace)
    except LogUnavailable:
        if settings.postgres_url is None:
            raise
        log = yield AskArchive(lambda archive: archive.log())
        now_ms = yield AskArchive(lambda archive: archive.now_ms())
        return header(log=log.id, stages=(), exported_at=utc(now_ms)), None
    stages = known[name].stages if name in known else ()
    partition = PartitionKeys(settings.namespace, partition_of(job, log.partitions))
    return header(log=log.id, stages=stages, exported_at=utc(now_ms)), partition


def _write_archived(job: str, writer: CapsuleWriter) -> Steps[EntryId]:
    """Write what the archive has of the job; return the last entry's id."""
    last: Entry | None = None
    while entries := (yield AskArchive(partial(_page, job, last))):
        for entry in entries:
            writer.add(entry)
        last = entries[-1]
    return last.id if last else ZERO


def _page(job: str, last: Entry | None, archive: "Archive") -> list[Entry]:
    return archive.job_page(job, last, ROWS_AT_ONCE)


def _write_logged(
    partition: PartitionKeys, job: str, after: EntryId, writer: CapsuleWriter
) -> Steps[None]:
    """Write what the log has of the job after an entry id."""
    start = str(after)
    while rows := (
        yield from command("XRANGE", partition.log, f"({start}", "+", "COUNT", SCAN_ENTRIES)
    ):
        for entry in decoded(rows):
            if entry.event.job == job:
                writer.add(entry)
        start = rows[-1][0].decode()


def _carried(life: Sequence[Entry], state: JobState) -> list[StageEvent]:
    events = [one.event for one in life if isinstance(one.event, StageEvent)]
    if len(events) < MAX_EVENTS:
        return events
    live = {done.id for done in state.checkpoints.values()}
    return [one.event for one in life if one.id in live and isinstance(one.event, StageCompleted)]


def _storable(core: Core, event: StageEvent) -> StageEvent:
    """Return an event that another log took, if this one would take it too."""
    check_name("stage", event.stage)
    limit = core.settings.max_payload
    if isinstance(event, StageCompleted) and len(bytes(event.data)) > limit:
        raise PayloadTooLarge(
            f"The data of stage {event.stage!r} takes {len(bytes(event.data)):,} bytes, and an "
            f"event holds at most {limit:,}: set CHECKPOINT_MAX_PAYLOAD to that"
        )
    return event
