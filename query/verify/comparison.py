"""Comparisons: an entry in log and archive, a row with its event, a view with the fold. Pure."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

from msgspec import Raw
from msgspec.structs import replace

from checkpoint.events import codec
from checkpoint.events.entry import EVENT, Entry
from checkpoint.events.entry_id import EntryId
from checkpoint.events.errors import UndecodableEntry
from checkpoint.events.event import AnyEvent, StageCompleted
from checkpoint.events.keys import partition_of
from checkpoint.projector.fold import JobState
from checkpoint.snapshotter.chain import leaf
from checkpoint.snapshotter.discrepancy import Discrepancy
from checkpoint.snapshotter.rows import Row

SHOWN_BYTES = 40


def event_of(row: Row) -> AnyEvent | None:
    """Decode the event of a row; None of a dead letter, or of what is none."""
    if row.job is None:
        return None
    try:
        return codec.decode(row.fields[1])
    except UndecodableEntry:
        return None


def columns(
    partition: int, partitions: int, row: Row, event: AnyEvent | None
) -> Iterator[Discrepancy]:
    """Compare an event's row with the event itself."""
    if row.job is None:
        return
    if event is None:
        yield of_row(partition, row, "column", "its event is none that this version can read")
    elif event.job != row.job:
        yield of_row(partition, row, "column", f"its event is of job {event.job!r}")
    if (home := partition_of(row.job, partitions)) != partition:
        yield of_row(partition, row, "column", f"its job lives in partition {home}")
    if not row.is_in_time:
        yield of_row(partition, row, "column", f"its time is not {row.id.time.isoformat()}")


def of_row(partition: int, row: Row, kind: str, what: str) -> Discrepancy:
    """Say something of a row."""
    version = int(row.fields[3]) if row.job is not None else 0
    return Discrepancy(kind, what, partition, str(row.id), row.job or "", version)


def is_same(partition: int, row: Row, logged: Sequence[bytes]) -> bool:
    """Say whether log and archive have the same bytes of an entry."""
    if row.discarded is not None:
        return leaf(partition, row.id, logged) == row.discarded
    return list(row.fields) == list(logged)


def what_differs(row: Row, logged: Sequence[bytes]) -> str:
    """Say which field of an entry log and archive have otherwise, and how from where on."""
    if row.discarded is not None:
        return "it is not the dead letter that was discarded"
    if list(row.fields[::2]) != list(logged[::2]):
        return f"its fields are {list(logged[::2])} in the log, {list(row.fields[::2])} archived"
    for name, archived, ours in zip(row.fields[::2], row.fields[1::2], logged[1::2], strict=True):
        if archived != ours:
            start = _first_difference(archived, ours) if name == EVENT else 0
            here, there = (_shown(one[start:]) for one in (ours, archived))
            where = f" from byte {start} on" if start else ""
            return f"its {name.decode()}{where} is {here} in the log, {there} in the archive"
    return "nothing"


def _first_difference(one: bytes, other: bytes) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def _shown(value: bytes) -> str:
    return f"{value[:SHOWN_BYTES]!r}{'…' if len(value) > SHOWN_BYTES else ''}"


def hashed(entry: Entry) -> Entry:
    """Put hashes in place of an event's bytes and data, so that many fit in memory."""
    event = entry.event
    if isinstance(event, StageCompleted):
        event = replace(event, data=_digest(event.data))
    return entry._replace(event=event, encoded=sha256(entry.encoded).digest())


def hashed_state(state: JobState) -> JobState:
    """Put hashes in place of a state's data."""
    hashes = {
        stage: replace(done, data=_digest(done.data)) for stage, done in state.checkpoints.items()
    }
    return replace(state, checkpoints=hashes)


def _digest(data: Raw) -> Raw:
    return Raw(sha256(data).digest())


def states(view: JobState, folded: JobState) -> Iterator[str]:
    """Say what a view has otherwise than the fold of its events."""
    for name in JobState.__struct_fields__:
        ours, theirs = getattr(view, name), getattr(folded, name)
        if ours == theirs:
            continue
        if isinstance(ours, dict):
            yield from _parts(name, ours, theirs)
        else:
            yield f"{name} is {_said(ours)} in the view, {_said(theirs)} by its events"


def _parts(name: str, ours: dict[str, Any], theirs: dict[str, Any]) -> Iterator[str]:
    for stage in sorted(ours.keys() | theirs.keys()):
        one, other = ours.get(stage), theirs.get(stage)
        if other is None:
            yield f"{name} of stage {stage!r} are in the view, and not in its events"
        elif one is None:
            yield f"{name} of stage {stage!r} are not in the view"
        elif one != other:
            how = f"of entry {one.id}, not {other.id}" if one.id != other.id else "other bytes"
            yield f"{name} of stage {stage!r} are {how}"


def _said(value: Any) -> str:
    return str(value) if isinstance(value, EntryId) else repr(value)
