"""Records: what producers did and heard, written down before they go on."""

import os
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import msgspec


class Record(msgspec.Struct, omit_defaults=True, frozen=True):
    """One line of a producer's file. `monotonic` is the same clock in all processes of a host."""

    what: str
    """call and end (of a call of the manager); try, ack, doubt (it may have happened, or not) and
    refused (of an event); answer (to a question); fork and pulse (of a process)."""
    life: str = ""
    """Names a process that made or inherited a manager."""
    at: float = 0.0
    call: str = ""
    """Names the call that this belongs to."""
    op: str = ""
    """Called: the manager's method."""
    thread: str = ""
    limit: float = 0.0
    """Called: how many seconds it may take."""
    job: str = ""
    mark: str = ""
    """Names what was tried; a saved event has it in its data."""
    kind: str = ""
    """Tried: save or delete."""
    stage: str = ""
    token: str = ""
    """Of the claim under which it was tried."""
    level: str = ""
    """Acknowledged: log, synced, durable or spooled."""
    id: str = ""
    version: int = 0
    incarnation: str = ""
    stages: dict[str, str] = {}
    """Answered: the mark of every completed stage, "" where the answer has none."""
    done: bool | None = None
    """Answered: whether the stage is completed."""
    ids: list[str] = []
    """Answered: the entry ids of a history."""
    jobs: list[str] = []
    """Answered: the jobs that all that was said is of."""
    source: str = ""
    status: str = ""
    error: str = ""
    """The class of the error that ended a call."""
    text: str = ""
    stalled: float = 0.0
    """For how many seconds before now the process got no time at all."""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Record)


class Recorder:
    """Appends records to a file; a killed process loses none, and a forked one may go on."""

    def __init__(self, path: Path) -> None:
        """Append to `path`."""
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, *records: Record) -> None:
        """Write records down, with the time, in one piece."""
        now = monotonic()
        lines = [_encoder.encode(msgspec.structs.replace(one, at=now)) for one in records]
        os.write(self._file, b"\n".join([*lines, b""]))


def read_records(path: Path) -> Iterator[Record]:
    """Read a file; the last line of a killed producer may be cut off."""
    if not path.exists():
        return
    for line in path.read_bytes().split(b"\n"):
        try:
            yield _decoder.decode(line)
        except msgspec.DecodeError:
            continue
