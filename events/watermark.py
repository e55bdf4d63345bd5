"""The watermark: the entry id up to which the archive holds everything, and what may be trimmed.

It is the last id of a stream of its own, so that Redis itself keeps it from moving back, and a
blocking XREAD waits for it.

It passes dead letters, too, and says up to where there are any: who waits for an entry after that
need not ask the archive what has become of it.
"""

from .entry_id import EntryId
from .errors import EventLost, EventRefused, NotDurableYet
from .keys import PartitionKeys
from .script import Call, Script
from .steps import AskArchive, Steps, WatermarkWait, command

PUBLISH = Script.load("checkpoint.events", "publish_watermark")
TRIM = Script.load("checkpoint.events", "trim")


def publish(partition: PartitionKeys, archived: EntryId, dead: EntryId) -> Call:
    """Move the watermark up to `archived`, unless it is there already.

    Between `dead` and there, no entry is a dead letter.
    """
    return Call(PUBLISH, [partition.watermark, partition.meta], [str(archived), str(dead)])


def trim(partition: PartitionKeys, margin_ms: int) -> Call:
    """Drop the entries that view and archive both have, but for those of the last `margin_ms`."""
    return Call(TRIM, [partition.log, partition.position, partition.watermark], [margin_ms])


def wait_for(partition: PartitionKeys, job: str, entry: EntryId, deadline: float) -> Steps[bool]:
    """Wait until the watermark is at `entry` or past it.

    Says whether that is as good as archived; if not, Redis has lost data since, or there are dead
    letters, and it is to be confirmed. NotDurableYet where the deadline, by the monotonic clock,
    comes first.
    """
    mark = yield WatermarkWait(partition.watermark, entry, deadline)
    if mark is None:
        raise not_durable_yet(job, entry)
    return bool(mark.fence_ms < entry.ms and mark.dead < entry)


def not_durable_yet(job: str, entry: EntryId) -> NotDurableYet:
    """Say that the time to wait for the archive is over."""
    return NotDurableYet(
        f"Entry {entry} of job {job!r} is in the log, but the archive did not commit it in time: "
        "see that a snapshotter runs, and wait again with wait_until_durable(*error.saved)",
        entry_id=str(entry),
    )


def confirm_known(partition: PartitionKeys, job: str, entry: EntryId) -> Steps[None]:
    """Make sure that an entry which was acknowledged is in the log or the archive; EventLost."""
    if (yield from command("XRANGE", partition.log, str(entry), str(entry))):
        return
    # trimmed, as a rule
    if not (yield AskArchive(lambda archive: archive.has(partition.partition, entry))):
        raise _lost(job, entry)


def confirm_archived(partition: PartitionKeys, job: str, entry: EntryId) -> Steps[None]:
    """Make sure that an entry which the watermark has passed is an event of the archive.

    EventRefused: it is a dead letter. EventLost: Redis came back without it, and the log went on.
    """
    number = partition.partition
    is_event, reason = yield AskArchive(lambda archive: archive.find(number, entry))
    if is_event:
        return
    if reason is None:
        raise _lost(job, entry)
    why = reason.partition("\n")[0].rstrip(".")
    raise EventRefused(
        f"Entry {entry} of job {job!r} is in the log, but the archive refused it and keeps it as a "
        f"dead letter: {why}. It is gone when Redis loses it: see `checkpoint deadletters show "
        f"{number}:{entry}`, or save it again"
    )


def confirm_none_dead(partition: PartitionKeys, job: str) -> Steps[None]:
    """Make sure that no event of a job is a dead letter: of one that was spooled, no id is known.

    EventRefused.
    """
    number = partition.partition
    dead: EntryId | None = yield AskArchive(lambda archive: archive.find_dead(number, job))
    if dead:
        yield from confirm_archived(partition, job, dead)


def _lost(job: str, entry: EntryId) -> EventLost:
    return EventLost(
        f"Entry {entry} of job {job!r} was in the log, but Redis lost it before the archive had "
        "it: save it again"
    )
