"""The watermark: the entry id up to which the archive holds everything, and what may be trimmed.

It is the last id of a stream of its own, so that Redis itself keeps it from moving back, and a
blocking XREAD waits for it.
"""

from .entry_id import EntryId
from .keys import PartitionKeys
from .script import Call, Script

PUBLISH = Script.load("checkpoint.events", "publish_watermark")
TRIM = Script.load("checkpoint.events", "trim")


def publish(partition: PartitionKeys, archived: EntryId) -> Call:
    """Move the watermark up to `archived`, unless it is there already."""
    return Call(PUBLISH, [partition.watermark], [str(archived)])


def trim(partition: PartitionKeys, margin_ms: int) -> Call:
    """Drop the entries that view and archive both have, but for those of the last `margin_ms`."""
    return Call(TRIM, [partition.log, partition.position, partition.watermark], [margin_ms])
