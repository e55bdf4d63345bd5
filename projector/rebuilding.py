"""Rebuilding views: the scripts that read what is there, and put what should be in its place."""

from collections.abc import Mapping, Sequence
from secrets import token_hex
from typing import Any, NamedTuple

from checkpoint.events.entry import Entry
from checkpoint.events.entry_id import EntryId
from checkpoint.events.errors import LogNotReady
from checkpoint.events.keys import PartitionKeys
from checkpoint.events.script import Argument, Call, Script

from .fold import NOTHING, JobState, fold_all
from .view import INDEX_KEEPS, Change, Head, parse_view

READ_VIEWS = Script.load("checkpoint.projector", "read_views")
REBUILD_VIEWS = Script.load("checkpoint.projector", "rebuild_views")

Fields = Mapping[bytes, bytes]


class Known(NamedTuple):
    """A job as Redis has it: where its log ends, and its view's fields, whatever is in them."""

    head: Head
    fields: Fields

    def is_right(self, position: EntryId, entries: Sequence[Entry]) -> bool:
        """Say whether the view is what the job's entries come to, up to the version it names.

        One that the projector has not begun or not brought up to date yet is right as well.
        """
        if self.fields.get(b"incarnation") != str(self.head.incarnation).encode():
            return entries[0].id > position
        applied = sum(one.id <= position for one in entries)
        try:
            version = int(self.fields[b"version"])
        except (LookupError, ValueError):
            return False
        expected = view_of(fold_all(NOTHING, entries[:version]))
        return applied <= version <= len(entries) and _meaning(self.fields) == _meaning(expected)


def read_views(partition: PartitionKeys, jobs: Sequence[str]) -> Call:
    """Ask for the views of jobs of one partition as they stand."""
    keys = [partition.meta, partition.position]
    for job in jobs:
        keys += partition.job(job)[:2]
    return Call(READ_VIEWS.for_log(partition.namespace), keys, [])


def parse_views(reply: Sequence[Any], jobs: Sequence[str]) -> tuple[EntryId, dict[str, Known]]:
    """Read the answer to `read_views`: the position, and the jobs that are alive; LogNotReady."""
    if reply[0] != b"OK":
        raise LogNotReady
    return EntryId.parse(reply[1]), {
        job: Known(
            Head(EntryId.parse(one[0]), int(one[1])),
            dict(zip(one[2][::2], one[2][1::2], strict=True)),
        )
        for job, one in zip(jobs, reply[2:], strict=True)
        if one
    }


def rebuild_views(partition: PartitionKeys, states: Mapping[str, JobState]) -> Call:
    """Write views that stand for these states, each with all of its events."""
    keys = [partition.meta, partition.position]
    arguments: list[Argument] = [token_hex(8), INDEX_KEEPS]
    for job, state in states.items():
        keys += partition.job(job)[:2]
        fields = [part for field in view_of(state).items() for part in field]
        arguments += [str(state.incarnation), state.version, str(state.id), len(fields), *fields]
    return Call(REBUILD_VIEWS.for_log(partition.namespace), keys, arguments)


def parse_rebuilt(reply: Sequence[Any], jobs: Sequence[str]) -> set[str]:
    """Read the answer to `rebuild_views`: the jobs whose views are written; LogNotReady."""
    if reply[0] != b"OK":
        raise LogNotReady
    return {job for job, written in zip(jobs, reply[1:], strict=True) if written}


def view_of(state: JobState) -> dict[bytes, bytes]:
    """Return the fields of the view that stands for a state."""
    fields: list[Any] = Change(NOTHING, state).fields()
    view = {b"incarnation": str(state.incarnation).encode(), b"version": b"%d" % state.version}
    return view | dict(zip(fields[::2], fields[1::2], strict=True))


def _meaning(fields: Fields) -> tuple[set[bytes], JobState, list[bytes | None]]:
    """Return what a view says, however it was written: a state has more fields in a new release."""
    names = set(fields) - {b"rebuilt"}
    return names, parse_view(fields), [fields.get(b"incarnation"), fields.get(b"version")]
