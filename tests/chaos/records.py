"""Records: what producers did and heard, written down before they go on."""

import os
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import msgspec


class Record(msgspec.Struct, omit_defaults=True, frozen=True):
    """One line of a producer's file. `monotonic` is the same clock in all processes of a host."""

    what: str
    """try, ack, doubt (it may have happened, or not), refused, ask or answer."""
    job: str
    at: float = 0.0
    mark: str = ""
    """Names what was tried or asked; a saved event has it in its data."""
    kind: str = ""
    """Tried: save or delete."""
    stage: str = ""
    token: str = ""
    """Of the claim under which it was tried."""
    level: str = ""
    """Acknowledged: log, synced or durable."""
    id: str = ""
    version: int = 0
    incarnation: str = ""
    stages: dict[str, str] = {}
    """Answered: the mark of every completed stage."""
    source: str = ""
    error: str = ""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Record)


class Recorder:
    """Appends records to a file; each is on disk before `write` returns."""

    def __init__(self, path: Path) -> None:
        """Append to `path`."""
        self._file = path.open("ab", buffering=0)

    def write(self, *records: Record) -> None:
        """Write records down, with the time."""
        now = monotonic()
        lines = [_encoder.encode(msgspec.structs.replace(one, at=now)) for one in records]
        self._file.write(b"\n".join([*lines, b""]))
        os.fsync(self._file.fileno())


def read_records(path: Path) -> Iterator[Record]:
    """Read a file; the last line of a killed producer may be cut off."""
    for line in path.read_bytes().split(b"\n"):
        try:
            yield _decoder.decode(line)
        except msgspec.DecodeError:
            continue
