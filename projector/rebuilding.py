"""Rebuilding views: the scripts that read what is there, and put what should be in its place."""

from collections.abc import Mapping, Sequence
from secrets import token_hex
from typing import Any, NamedTuple

from checkpoint.events.entry import Entry
from checkpoint.events.entry_id import EntryId
from checkpoint.events.errors import LogNotReady
from checkpoint.events.keys import PartitionKeys
from checkpoint.events.script import Argument, Call, Script

from .change import INDEX_KEEPS
from .fold import NOTHING, JobState, fold_all
from .view import Head, parse_stamp, parse_view, view_of

READ_VIEWS = Script.load("checkpoint.projector", "read_views")
REBUILD_VIEWS = Script.load("checkpoint.projector", "rebuild_views")


class Known(NamedTuple):
    """A job as Redis has it: where its log ends, and its view, whatever is in it."""

    head: Head
    view: Sequence[bytes]

    def is_right(self, position: EntryId, entries: Sequence[Entry]) -> bool:
        """Say whether the view is what the job's entries come to, up to the version it names.

        One that the projector has not begun or not brought up to date yet is right as well.
        """
        incarnation, version = parse_stamp(self.view)
        if incarnation != self.head.incarnation:
            return entries[0].id > position
        applied = sum(one.id <= position for one in entries)
        expected = fold_all(NOTHING, entries[:version])
        return applied <= version <= len(entries) and parse_view(self.view) == expected


def read_views(partition: PartitionKeys, jobs: Sequence[str]) -> Call:
    """Ask for the views of jobs of one partition as they stand."""
    keys = [partition.meta, partition.position]
    for job in jobs:
        keys += partition.job(job)
    return Call(READ_VIEWS.for_log(partition.namespace), keys, [])


def parse_views(reply: Sequence[Any], jobs: Sequence[str]) -> tuple[EntryId, dict[str, Known]]:
    """Read the answer to `read_views`: the position, and the jobs that are alive; LogNotReady."""
    if reply[0] != b"OK":
        raise LogNotReady
    return EntryId.parse(reply[1]), {
        job: Known(
            Head(EntryId.parse(one[0]), int(one[1])),
            one[2],
        )
        for job, one in zip(jobs, reply[2:], strict=True)
        if one
    }


def rebuild_views(partition: PartitionKeys, states: Mapping[str, JobState]) -> Call:
    """Write views that stand for these states, each with all of its data."""
    token = token_hex(8)
    keys = [partition.meta, partition.position]
    arguments: list[Argument] = [INDEX_KEEPS]
    for job, state in states.items():
        keys += partition.job(job)[:2]
        view = view_of(state, token)
        arguments += [str(state.incarnation), state.version, str(state.id), len(view), *view]
    return Call(REBUILD_VIEWS.for_log(partition.namespace), keys, arguments)


def parse_rebuilt(reply: Sequence[Any], jobs: Sequence[str]) -> set[str]:
    """Read the answer to `rebuild_views`: the jobs whose views are written; LogNotReady."""
    if reply[0] != b"OK":
        raise LogNotReady
    return {job for job, written in zip(jobs, reply[1:], strict=True) if written}
