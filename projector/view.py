"""The view: every job's latest state in Redis, and the scripts that read it.

A job's view is a list: its stamp, its JobState without the data, and then the data of each
completed stage in the order of the state's checkpoints, so that one stage can be read without the
others. The stamp is `incarnation version`, and the token of the call if the view was rebuilt.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from checkpoint.events import codec
from checkpoint.events.entry import Entry
from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.errors import JobDamaged, LogNotReady
from checkpoint.events.keys import PartitionKeys, partition_of
from checkpoint.events.script import Call, Script
from checkpoint.events.steps import Steps, command

from .fold import NOTHING, Checkpoint, JobState, fold_all

READ_JOB = Script.load("checkpoint.projector", "read_job")
READ_POSITION = Script.load("checkpoint.projector", "read_position")
READ_STATES = Script.load("checkpoint.projector", "read_states")

NO_STAGE = "\n"
"""Names no stage, as no name has it: a job that is read with this one comes without any data."""

BESIDE_DATA = 2
"""Elements of a view before the first stage's data: stamp and state."""


class _Done(NamedTuple):
    """A completed stage as a view has it, in the order of the data."""

    stage: str
    id: EntryId
    version: int
    took_ms: int


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(tuple[JobState, list[_Done]])


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
    """Read the answer to `read_job`; LogNotReady where Redis holds no log, JobDamaged."""
    if reply[0] == b"DAMAGED":
        raise JobDamaged
    if reply[0] != b"OK":
        raise LogNotReady
    _, now_ms, at, view, unapplied = reply
    if not at:
        return JobReading(now_ms, None, NOTHING, ())
    head = Head(EntryId.parse(at[0]), int(at[1]))
    return JobReading(now_ms, head, parse_view(view), parse_unapplied(head.incarnation, unapplied))


def parse_unapplied(incarnation: EntryId, found: Sequence[Any]) -> list[Entry]:
    """Read entries of one incarnation as the scripts find them: version, id and event of each."""
    return [
        Entry(EntryId.parse(name), incarnation, version, codec.decode(encoded), encoded)
        for version, name, encoded in zip(found[::3], found[1::3], found[2::3], strict=True)
    ]


def parse_view(view: Sequence[bytes]) -> JobState:
    """Read a view; one that is damaged is NOTHING."""
    if len(view) < BESIDE_DATA:
        return NOTHING
    state = parse_state(view[1], view[BESIDE_DATA:])
    return state if parse_stamp(view) == (state.incarnation, state.version) else NOTHING


def parse_state(encoded: bytes, data: Sequence[bytes] | None = None) -> JobState:
    """Read a view's state, with its stages' data if that is given; a damaged one is NOTHING."""
    try:
        state, done = _decoder.decode(encoded)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return NOTHING
    if data is None:
        data = [b""] * len(done)
    if len(data) != len(done):
        return NOTHING
    checkpoints = {
        one.stage: Checkpoint(one.id, one.version, one.took_ms, Raw(json))
        for one, json in zip(done, data, strict=True)
    }
    return replace(state, checkpoints=checkpoints)


def stamp_of(state: JobState, token: str = "") -> str:
    """Return the stamp of a state's view; `token` names the call that rebuilds it."""
    return f"{state.incarnation} {state.version} {token}".rstrip()


def parse_stamp(view: Sequence[bytes]) -> tuple[EntryId, int]:
    """Read the incarnation and the version that a view's stamp names; ZERO and 0 of none."""
    try:
        incarnation, version, *_ = view[0].split()
        return EntryId.parse(incarnation), int(version)
    except (LookupError, ValueError):
        return ZERO, 0


def encode_state(state: JobState) -> bytes:
    """Write a state as its view has it, without the data."""
    done = [
        _Done(stage, one.id, one.version, one.took_ms) for stage, one in state.checkpoints.items()
    ]
    return _encoder.encode((replace(state, checkpoints={}), done))


def view_of(state: JobState, token: str = "") -> list[str | bytes]:
    """Return the view that stands for a state."""
    data = (bytes(one.data) for one in state.checkpoints.values())
    return [stamp_of(state, token), encode_state(state), *data]


def read_states(partition: PartitionKeys, jobs: Iterable[str]) -> Call:
    """Ask for the states of jobs of one partition, without their data."""
    return Call(READ_STATES, [partition.job(job).view for job in jobs], [])


def parse_states(reply: Sequence[Any]) -> list[tuple[JobState, bytes]]:
    """Read the answer to `read_states`: each view's state, and its stamp: empty without a view."""
    return [_state_and_stamp(*view) for view in reply]


def _state_and_stamp(
    stamp: bytes = b"", state: bytes = b"", length: int = 0
) -> tuple[JobState, bytes]:
    known = parse_state(state)
    is_whole = length == BESIDE_DATA + len(known.checkpoints)
    return known if is_whole else NOTHING, stamp


def read_position(partition: PartitionKeys) -> Call:
    """Ask for the projector's position; one that cannot be is dropped."""
    return Call(READ_POSITION, [partition.position, partition.log], [])


POSITION = re.compile(rb"[0-9]{1,20}-[0-9]{1,20}")


def find_position(partition: PartitionKeys) -> Steps[EntryId]:
    """Look up the projector's position; one that cannot be is as none, and stays."""
    if (yield from command("TYPE", partition.position)) != b"string":
        return ZERO
    return parse_position((yield from command("GET", partition.position)))


def is_position(stored: bytes) -> bool:
    """Say whether what is stored as a position is an entry id."""
    return POSITION.fullmatch(stored) is not None


def parse_position(reply: bytes | None) -> EntryId:
    """Read a stored position; a projector that never ran stands before the first entry.

    So does one whose position is no entry id: what views have already changes nothing in them.
    """
    return EntryId.parse(reply) if reply and is_position(reply) else ZERO
