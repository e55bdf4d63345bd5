"""The watermark: the entry id up to which the archive holds everything, and what may be trimmed.

It is the last id of a stream of its own, so that Redis itself keeps it from moving back, and a
blocking XREAD waits for it.
"""

from .entry_id import EntryId
from .errors import EventLost, NotDurableYet
from .keys import PartitionKeys
from .script import Call, Script
from .steps import AskArchive, Steps, WatermarkWait, command

PUBLISH = Script.load("checkpoint.events", "publish_watermark")
TRIM = Script.load("checkpoint.events", "trim")


def publish(partition: PartitionKeys, archived: EntryId) -> Call:
    """Move the watermark up to `archived`, unless it is there already."""
    return Call(PUBLISH, [partition.watermark, partition.meta], [str(archived)])


def trim(partition: PartitionKeys, margin_ms: int) -> Call:
    """Drop the entries that view and archive both have, but for those of the last `margin_ms`."""
    return Call(TRIM, [partition.log, partition.position, partition.watermark], [margin_ms])


def wait_for(partition: PartitionKeys, job: str, entry: EntryId, deadline: float) -> Steps[bool]:
    """Wait until the watermark is at `entry` or past it.

    Says whether that is as good as archived; if not, Redis has lost data since, and it is to be
    confirmed. NotDurableYet where the deadline, by the monotonic clock, comes first.
    """
    mark = yield WatermarkWait(partition.watermark, entry, deadline)
    if mark is None:
        raise not_durable_yet(job, entry)
    return bool(mark.fence_ms < entry.ms)


def not_durable_yet(job: str, entry: EntryId) -> NotDurableYet:
    """Say that the time to wait for the archive is over."""
    return NotDurableYet(
        f"Entry {entry} of job {job!r} is in the log, but the archive did not commit it in time: "
        "see that a snapshotter runs, and wait again with wait_until_durable(*error.saved)",
        entry_id=str(entry),
    )


def confirm(partition: PartitionKeys, job: str, entry: EntryId) -> Steps[None]:
    """Make sure that an entry which the watermark has passed is archived, and not lost before.

    EventLost: Redis came back without it, and the log went on.
    """
    if (yield from command("XRANGE", partition.log, str(entry), str(entry))):
        return
    # trimmed, as a rule
    if not (yield AskArchive(lambda archive: archive.has(partition.partition, entry))):
        raise EventLost(
            f"Entry {entry} of job {job!r} was in the log, but Redis lost it before the archive "
            "had it: save it again"
        )
