"""A log entry: an event in its place in the log, with its version and incarnation."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from . import codec
from .entry_id import EntryId
from .errors import UndecodableEntry
from .event import AnyEvent

EVENT, VERSION, INCARNATION = b"event", b"version", b"incarnation"
FIELDS = [EVENT, VERSION, INCARNATION]
"""The fields of a stream entry, in the order in which the append script writes them.

The `incarnation` of an incarnation's first event, whose id names it, is empty: Redis does not know
the id before the entry is made.
"""


class Entry(NamedTuple):
    """One decoded entry."""

    id: EntryId
    incarnation: EntryId
    version: int
    event: AnyEvent
    encoded: bytes
    """The event's own bytes, as they stand in the log."""

    @property
    def expires_ms(self) -> int:
        """When the job would expire if this were its latest event: ms since 1970."""
        return self.id.ms + self.event.ttl_ms


def decode(entry_id: bytes, fields: Sequence[bytes]) -> Entry:
    """Decode an entry as Redis sends it; UndecodableEntry if it is not one of ours."""
    if fields[::2] != FIELDS or len(fields) % 2:
        raise UndecodableEntry(f"The entry's fields are {fields[::2]!r}, not {FIELDS!r}")
    encoded, number, incarnation = fields[1::2]
    try:
        name = EntryId.parse(entry_id)
        version = int(number)
        born = _incarnation(incarnation) if incarnation else name
    except ValueError as error:
        raise UndecodableEntry(
            f"The entry has no usable id, version or incarnation: {error}"
        ) from error
    return Entry(name, born, version, codec.decode(encoded), encoded)


def fields(entry: Entry) -> list[bytes]:
    """Return an entry's fields as they stand in the log."""
    born = b"" if entry.incarnation == entry.id else str(entry.incarnation).encode()
    version = str(entry.version).encode()
    return [EVENT, entry.encoded, VERSION, version, INCARNATION, born]


# many entries share an incarnation
_incarnation = lru_cache(maxsize=4096)(EntryId.parse)


class DeadLetter(NamedTuple):
    """An entry that cannot be an event: its fields as they stand in the log, and why."""

    id: EntryId
    fields: Sequence[bytes]
    reason: str


def decode_all(
    raw: Iterable[Sequence[Any]],
) -> tuple[list[Entry], list[DeadLetter]]:
    """Decode entries as Redis sends them; those that are no events are set aside."""
    entries: list[Entry] = []
    dead: list[DeadLetter] = []
    for entry_id, fields in raw:
        try:
            entries.append(decode(entry_id, fields))
        except UndecodableEntry as error:
            dead.append(DeadLetter(EntryId.parse(entry_id), fields, str(error)))
    return entries, dead
