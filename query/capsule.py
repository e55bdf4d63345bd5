"""Capsules: a job in a file, to be read with no server at all. Pure.

A capsule is JSON Lines: a header, a line for each entry in the order of the log, and a last line
with how many entries there are and the SHA-256 of all bytes before it.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO
from typing import NamedTuple

import msgspec
from msgspec import Raw, Struct

from checkpoint.events import codec, payload
from checkpoint.events.entry import Entry
from checkpoint.events.entry_id import EntryId
from checkpoint.events.errors import (
    CheckpointError,
    InvalidCapsule,
    InvalidName,
    InvalidPayload,
    UndecodableEntry,
)
from checkpoint.events.event import (
    MESSAGE_CHARACTERS,
    TRACEBACK_BYTES,
    AnyEvent,
    JobClaimed,
    JobForked,
    JobRewound,
    StageCompleted,
    StageFailed,
    StageInterrupted,
)
from checkpoint.events.names import check_name

from .pipeline import Pipeline

FORMAT = 1
CENTURY_MS = 100 * 365 * 24 * 60 * 60 * 1000
TEXTS = {
    "error": MESSAGE_CHARACTERS,
    "message": MESSAGE_CHARACTERS,
    "traceback": TRACEBACK_BYTES,
    "reason": MESSAGE_CHARACTERS,
}
"""Maximum number of characters in the texts of an event."""
LAST_YEAR = 9000
"""Python's own times end in the year 9999, and a job lives for some time after its entries."""
LAST_MS = int(datetime(LAST_YEAR, 12, 31, tzinfo=UTC).timestamp() * 1000)


class Header(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which job this is, where it is from, and who wrote it down when."""

    capsule: int = FORMAT
    """The version of the format."""
    job: str
    pipeline: str
    stages: tuple[str, ...]
    """Those that the pipeline declares; none where it is open."""
    namespace: str
    log: str
    """The id of the log."""
    exported_at: datetime
    release: str


class Capsule(NamedTuple):
    """A job as it was exported: every entry of every life of it, in the order of the log."""

    header: Header
    entries: list[Entry]

    @property
    def job(self) -> str:
        """The job's id where it was exported."""
        return self.header.job

    @property
    def pipeline(self) -> Pipeline:
        """The job's pipeline, with the stages that it declares."""
        return Pipeline(self.header.pipeline, self.header.stages)


class _Line(Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    incarnation: str
    version: int
    event: Raw


class _Format(Struct):
    capsule: int


_encoder = msgspec.json.Encoder()
_line_decoder = msgspec.json.Decoder(_Line)


class Succession:
    """Sees that a job's entries come in order, with no version left out."""

    def __init__(self) -> None:
        """Begin before the first entry."""
        self._last: Entry | None = None

    def check(self, entry: Entry) -> Entry:
        """Return the entry; CheckpointError says what is missing or out of order before it."""
        last, self._last = self._last, entry
        if last and entry.id <= last.id:
            raise CheckpointError(f"Entry {entry.id} does not come after {last.id}")
        same_life = last is not None and entry.incarnation == last.incarnation
        expected = last.version + 1 if last and same_life else 1
        if entry.version != expected:
            raise CheckpointError(
                f"Entry {entry.id} has version {entry.version}, and version {expected} of that "
                f"life ({entry.incarnation}) is missing"
            )
        if (entry.version == 1) != (entry.incarnation == entry.id):
            raise CheckpointError(f"Entry {entry.id} is not of the life {entry.incarnation}")
        return entry


class CapsuleWriter:
    """Writes a capsule, line by line; a job without entries makes none."""

    def __init__(self, header: Header, write: Callable[[bytes], object]) -> None:
        """Take what goes into the first line, and what takes the lines."""
        self._header = header
        self._write = write
        self._hash = sha256()
        self._succession = Succession()
        self.entries = 0
        """How many have been written."""

    def add(self, entry: Entry) -> None:
        """Write an entry's line, with its exact bytes; CheckpointError where one is missing."""
        self._succession.check(entry)
        if not self.entries:
            self._line(_encoder.encode(self._header) + b"\n")
        line = _Line(str(entry.id), str(entry.incarnation), entry.version, _value(entry.encoded))
        self._line(_encoder.encode(line) + b"\n")
        self.entries += 1

    def close(self) -> int:
        """Write the line that proves the others whole; return how many entries there are."""
        if self.entries:
            self._write(_last_line(self.entries, self._hash.hexdigest()))
        return self.entries

    def _line(self, line: bytes) -> None:
        self._hash.update(line)
        self._write(line)


def read_capsule(content: bytes) -> Capsule:
    """Read a capsule; InvalidCapsule says what is wrong with it.

    Whatever was changed, cut off or put in since it was written is found.
    """
    lines = BytesIO(content).readlines()
    header = _header(lines[0] if lines else b"")
    _check_whole(content, lines)
    succession = Succession()
    entries = []
    for number, line in enumerate(lines[1:-1], 2):
        try:
            entries.append(succession.check(_entry(line, header.job)))
        except (msgspec.MsgspecError, ValueError, RecursionError, CheckpointError) as error:
            raise InvalidCapsule(
                f"Entry {number - 1} of the capsule, in line {number}: {error}"
            ) from error
    if not entries:
        raise InvalidCapsule("The capsule has no entries, and a job has one at least")
    return Capsule(header, entries)


def latest_life(entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries of the last incarnation."""
    return [one for one in entries if one.incarnation == entries[-1].incarnation]


def _last_line(entries: int, digest: str) -> bytes:
    return b'{"entries":%d,"sha256":"%b"}\n' % (entries, digest.encode())


def _value(encoded: bytes) -> Raw:
    """Embed JSON as it is; in a string if its own white space would not come back from a line."""
    plain = b"\n" not in encoded and encoded == encoded.strip()
    return Raw(encoded if plain else _encoder.encode(encoded.decode()))


def _from_value(value: Raw) -> bytes:
    found = bytes(value)
    return msgspec.json.decode(found, type=str).encode() if found.startswith(b'"') else found


def _header(line: bytes) -> Header:
    if not line:
        raise InvalidCapsule("This is not a capsule: it is empty, or its first line is")
    try:
        found = msgspec.json.decode(line, type=_Format).capsule
        if found != FORMAT:
            raise InvalidCapsule(
                f"The capsule has format version {found}, and this release reads {FORMAT}: read "
                "it with the release that wrote it, or a later one"
            )
        header = msgspec.json.decode(line, type=Header)
        check_name("job", header.job)
        check_name("log", header.log)
        Pipeline(header.pipeline, header.stages)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, InvalidName) as error:
        raise InvalidCapsule(f"This is not a capsule, by its first line: {error}") from error
    return header


def _check_whole(content: bytes, lines: Sequence[bytes]) -> None:
    last = lines[-1]
    digest = sha256(memoryview(content)[: -len(last)]).hexdigest()
    if last == _last_line(len(lines) - 2, digest):
        return
    if not (last.startswith(b'{"entries":') and last.endswith(b"}\n")):
        raise InvalidCapsule(
            "The capsule is truncated: it does not end with the line that proves it whole. Export "
            "it again"
        )
    raise InvalidCapsule(
        "The capsule was changed after it was written: its lines do not match the SHA-256 in its "
        "last one. Export it again"
    )


def _entry(line: bytes, job: str) -> Entry:
    found = _line_decoder.decode(line)
    encoded = _from_value(found.event)
    event = codec.decode(encoded)
    if event.job != job:
        raise UndecodableEntry(f"It is of the job {event.job!r}, not of {job!r}")
    _check(event)
    name, born = EntryId.parse(found.id), EntryId.parse(found.incarnation)
    if name.ms > LAST_MS:
        raise UndecodableEntry(f"Its id says a time after the year {LAST_YEAR}: {name}")
    return Entry(name, born, found.version, event, encoded)


def _check(event: AnyEvent) -> None:
    """See that an event is one that a manager would append; CheckpointError says why it is not."""
    for kind, name in _names(event):
        check_name(kind, name)
    for field, least in (("ttl_ms", 1), ("took_ms", 0), ("lease_ms", 1)):
        if not least <= (ms := getattr(event, field, least)) <= CENTURY_MS:
            raise InvalidPayload(f"{field}={ms}: it is from {least} to {CENTURY_MS:,}")
    for field, most in TEXTS.items():
        if (length := len(getattr(event, field, ""))) > most:
            raise InvalidPayload(f"{field} has {length:,} characters: it has at most {most:,}")
    if isinstance(event, StageCompleted):
        payload.check(msgspec.json.decode(event.data))


def _names(event: AnyEvent) -> Iterator[tuple[str, str]]:
    """Yield what has to be a name, and of what; "" is no name where there need be none."""
    yield "job", event.job
    for kind in ("pipeline", "key", "trace", "log"):
        if name := getattr(event, kind, ""):
            yield kind, name
    if isinstance(event, StageCompleted | StageFailed | StageInterrupted | JobRewound):
        yield "stage", event.stage
    if isinstance(event, JobRewound):
        yield from (("stage", stage) for stage in event.stages)
    if isinstance(event, JobClaimed):
        yield "owner", event.owner
    if isinstance(event, JobForked):
        yield "job", event.source
