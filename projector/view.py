"""The view: every job's latest state in Redis, and the scripts that read and write it.

A job's view is a hash: `state` is its JobState without the events' bytes, which stand beside it
in a field for each completed stage, so that one stage can be read without the others.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from checkpoint.events import entry as log_entry
from checkpoint.events.entry import Entry
from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.errors import LogNotReady
from checkpoint.events.keys import PartitionKeys, partition_of
from checkpoint.events.script import Argument, Call, Script

from .fold import NOTHING, Checkpoint, JobState, fold_all

READ_JOB = Script.load("checkpoint.projector", "read_job")
READ_STATES = Script.load("checkpoint.projector", "read_states")
WRITE_VIEWS = Script.load("checkpoint.projector", "write_views")

INDEX_KEEPS = 16
"""Versions that a job's index keeps after the view has them: how far a repeated request is seen."""

STAGE = b"stage:"
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(JobState)


class Head(NamedTuple):
    """Where a job's log ends, as the append script has it."""

    incarnation: EntryId
    version: int


class JobReading(NamedTuple):
    """A job as Redis knew it at one instant."""

    now_ms: int
    head: Head | None
    view: JobState
    entries: Sequence[Entry]
    """The job's entries that its view has not applied."""

    @property
    def is_complete(self) -> bool:
        """Say whether view and entries reach up to the head; if not, the view was lost."""
        return self.head is None or self.view.version + len(self.entries) == self.head.version

    @property
    def state(self) -> JobState:
        """The view with the entries that it lacks."""
        return fold_all(self.view, self.entries)


def read_job(namespace: str, partitions: int, job: str, stage: str = "") -> Call:
    """Ask for a job: its head, its view (of one stage only, if named), its unapplied entries."""
    partition = PartitionKeys(namespace, partition_of(job, partitions))
    head, view, _ = partition.job(job)
    script = READ_JOB.for_log(namespace)
    return Call(script, [partition.meta, partition.log, head, view], [stage])


def parse_job(reply: Sequence[Any]) -> JobReading:
    """Read the answer to `read_job`; LogNotReady where Redis holds no log."""
    if reply[0] != b"OK":
        raise LogNotReady
    _, now_ms, head, view, entries = reply
    return JobReading(
        now_ms,
        Head(EntryId.parse(head[0]), int(head[1])) if head else None,
        parse_view(dict(zip(view[::2], view[1::2], strict=True))) if view else NOTHING,
        [log_entry.decode(name, fields) for name, fields in entries],
    )


def _decode(state: bytes | None) -> JobState:
    """Read a state; one that is damaged is as good as lost."""
    try:
        return _decoder.decode(state) if state else NOTHING
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return NOTHING


def parse_view(fields: Mapping[bytes, bytes | None]) -> JobState:
    """Read a view from the fields of its hash; one that is damaged is NOTHING."""
    state = _decode(fields.get(b"state"))
    loaded = {
        stage: replace(known, encoded=encoded)
        for stage, known in state.checkpoints.items()
        if (encoded := fields.get(STAGE + stage.encode()))
    }
    return replace(state, checkpoints={**state.checkpoints, **loaded})


class Change(NamedTuple):
    """What a slice did to one job. An `after` of NOTHING drops a view that lacks entries."""

    before: JobState
    after: JobState

    @property
    def is_anew(self) -> bool:
        """Say if the view before counts no more: another incarnation, or the job was deleted."""
        return self.before.incarnation != self.after.incarnation or self.after.deleted

    def arguments(self) -> list[Argument]:
        """Return the job's part of the arguments of `write_views`."""
        after = self.after
        gone, fields = self._dropped(), self.fields()
        return [
            str(after.incarnation),
            after.version,
            after.expires_ms,
            int(self.is_anew),
            len(gone),
            *gone,
            len(fields),
            *fields,
        ]

    def _dropped(self) -> list[bytes]:
        if self.is_anew:
            return []
        kept = self.after.checkpoints
        return [STAGE + stage.encode() for stage in self.before.checkpoints if stage not in kept]

    def fields(self) -> list[Argument]:
        """Return the fields of the view to write, each followed by its value."""
        if not self.after.version:
            return []
        fields: list[Argument] = [b"state", _encoder.encode(_without_events(self.after))]
        for stage, checkpoint in self.after.checkpoints.items():
            if checkpoint.encoded:
                fields += (STAGE + stage.encode(), checkpoint.encoded)
        return fields


def _without_events(state: JobState) -> JobState:
    bare = {stage: Checkpoint(done.id, done.version) for stage, done in state.checkpoints.items()}
    return replace(state, checkpoints=bare)


def read_states(partition: PartitionKeys, jobs: Iterable[str]) -> Call:
    """Ask for the states of jobs of one partition, without their events."""
    return Call(READ_STATES, [partition.job(job).view for job in jobs], [])


def parse_states(reply: Sequence[bytes | None]) -> list[tuple[JobState, bytes]]:
    """Read the answer to `read_states`: each view's state, and the stamp of the view."""
    return [
        (_decode(state), stamp or b"") for state, stamp in zip(reply[::2], reply[1::2], strict=True)
    ]


def write_views(
    partition: PartitionKeys,
    start: EntryId,
    end: EntryId,
    changes: Mapping[str, Change],
    stamps: Sequence[bytes],
) -> Call:
    """Write the views of a slice that follows position `start` and ends with entry `end`.

    `stamps` are of the views that were read for that.
    """
    keys = [partition.position, partition.log]
    arguments: list[Argument] = [str(start), str(end), INDEX_KEEPS, *stamps]
    for job, change in changes.items():
        head, view, _ = partition.job(job)
        keys += (head, view)
        arguments += change.arguments()
    return Call(WRITE_VIEWS, keys, arguments)


def parse_written(reply: Sequence[bytes]) -> EntryId | None:
    """Read the answer to `write_views`: None, or where the position stands.

    That is where another worker moved it to, or where it was if a view was rebuilt or lost
    meanwhile; ZERO if Redis has lost the slice.
    """
    if reply[0] == b"LOST":
        return ZERO
    return None if reply[0] == b"OK" else EntryId.parse(reply[1])


def parse_position(reply: bytes | None) -> EntryId:
    """Read a stored position; a projector that never ran stands before the first entry."""
    return EntryId.parse(reply) if reply else ZERO
