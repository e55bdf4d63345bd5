"""The watermark: the entry id up to which the archive holds everything, and what may be trimmed.

It is the last id of a stream of its own, so that Redis itself keeps it from moving back, and a
blocking XREAD waits for it.
"""

from time import monotonic

from .entry_id import EntryId
from .errors import EventLost, NotDurableYet
from .keys import PartitionKeys
from .script import Call, Script
from .steps import AskArchive, Pause, Steps, command

PUBLISH = Script.load("checkpoint.events", "publish_watermark")
TRIM = Script.load("checkpoint.events", "trim")

POLL_SECONDS = 0.01


def publish(partition: PartitionKeys, archived: EntryId) -> Call:
    """Move the watermark up to `archived`, unless it is there already."""
    return Call(PUBLISH, [partition.watermark], [str(archived)])


def trim(partition: PartitionKeys, margin_ms: int) -> Call:
    """Drop the entries that view and archive both have, but for those of the last `margin_ms`."""
    return Call(TRIM, [partition.log, partition.position, partition.watermark], [margin_ms])


def wait_for(
    partition: PartitionKeys, job: str, entry: EntryId, deadline: float, longest: float
) -> Steps[None]:
    """Wait until the watermark is at `entry` or past it, blocking `longest` seconds at a time.

    NotDurableYet where the deadline, by the monotonic clock, comes first.
    """
    while (left := deadline - monotonic()) > 0:
        milliseconds = int(min(left, longest) * 1000)
        block = ("BLOCK", milliseconds) if milliseconds else ()
        streams = ("STREAMS", partition.watermark, str(entry.before))
        if (yield from command("XREAD", *block, *streams)):
            return
        if not block:
            yield Pause(POLL_SECONDS)
    raise NotDurableYet(
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
