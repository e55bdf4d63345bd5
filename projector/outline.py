"""Outlines: the states of many jobs, without the data that their stages saved."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from checkpoint.events.entry_id import EntryId
from checkpoint.events.errors import LogNotReady
from checkpoint.events.keys import PartitionKeys
from checkpoint.events.script import Call, Script

from .fold import NOTHING
from .view import Head, JobReading, parse_state, parse_unapplied

READ_OUTLINES = Script.load("checkpoint.projector", "read_outlines")


class Outline(NamedTuple):
    """A job as Redis knew it at one instant, and who held it then: "" for nobody."""

    reading: JobReading
    owner: str


def read_outlines(partition: PartitionKeys, jobs: Sequence[str]) -> Call:
    """Ask for jobs of one partition."""
    keys = [partition.meta, partition.log]
    for job in jobs:
        head, view, _ = partition.job(job)
        keys += (head, view)
    return Call(READ_OUTLINES.for_log(partition.namespace), keys, [])


def parse_outlines(reply: Sequence[Any]) -> list[Outline]:
    """Read the answer to `read_outlines`; LogNotReady where Redis holds no log."""
    if reply[0] != b"OK":
        raise LogNotReady
    _, now_ms, *rows = reply
    return [_outline(now_ms, row) for row in rows]


def _outline(now_ms: int, row: Sequence[Any]) -> Outline:
    if not row:
        return Outline(JobReading(now_ms, None, NOTHING, ()), "")
    incarnation, version, owner, state, rows = row
    head = Head(EntryId.parse(incarnation), int(version))
    entries = parse_unapplied(head.incarnation, rows)
    return Outline(JobReading(now_ms, head, parse_state(state), entries), owner.decode())
