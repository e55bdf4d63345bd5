"""Changes: what a slice does to the views of its jobs, as edits of their lists."""

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import NamedTuple

from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.keys import PartitionKeys
from checkpoint.events.script import Argument, Call, Script

from .fold import JobState
from .view import BESIDE_DATA, encode_state, stamp_of, view_of

WRITE_VIEWS = Script.load("checkpoint.projector", "write_views")

INDEX_KEEPS = 64
"""Versions that a job's index keeps after the view has them: how far the append script looks back
for a request that is sent again. So many saves of a job may wait for their replies at a time."""


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
        edits = self._whole() if self.is_anew else self._edits()
        arguments: list[Argument] = [
            str(self.after.incarnation),
            self.after.expires_ms,
            int(self.is_anew),
        ]
        for edit in (self._forgotten(), *edits):
            arguments.append(len(edit))
            arguments += edit
        return arguments

    def _forgotten(self) -> Sequence[int]:
        """Return the versions that the job's index can do without now."""
        seen = 0 if self.is_anew else self.before.version
        return range(max(1, seen - INDEX_KEEPS + 1), self.after.version - INDEX_KEEPS + 1)

    def _whole(self) -> tuple[list[Argument], list[Argument], list[Argument]]:
        return [], [], list(view_of(self.after)) if self.after.version else []

    def _edits(self) -> tuple[list[Argument], list[Argument], list[Argument]]:
        """Return what is set (place, element, place, element …), dropped (places) and appended.

        The data of the stages that did not change is not known here, so it stays where it is:
        those that keep their place come first, and in the order that they had.
        """
        if self.before is self.after:
            return [], [], []
        old, new = self.before.checkpoints, self.after.checkpoints
        rest = iter(old)
        staying = set(takewhile(lambda stage: stage in rest, new))
        fresh: list[Argument] = [0, stamp_of(self.after), 1, encode_state(self.after)]
        dropped: list[Argument] = []
        for place, (stage, known) in enumerate(old.items(), BESIDE_DATA):
            if stage not in staying:
                dropped.append(place)
            elif new[stage].id != known.id:
                fresh += (place, bytes(new[stage].data))
        return fresh, dropped, [bytes(one.data) for s, one in new.items() if s not in staying]


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
    arguments: list[Argument] = [str(start), str(end), *stamps]
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
