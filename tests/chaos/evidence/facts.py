"""Facts: all that can be known of a run from the outside, in plain values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from .records import Record

EntryName = tuple[int, int]
"""An entry id."""
Place = tuple[int, EntryName]
"""A partition and an entry id."""


class Seen(NamedTuple):
    """One entry, as it stood in the log or stands in the archive."""

    partition: int
    id: EntryName
    version: int
    incarnation: EntryName
    event: dict[str, Any]
    at: float
    """When it was seen, by the monotonic clock."""

    @property
    def place(self) -> Place:
        """Where it stands."""
        return self.partition, self.id

    @property
    def job(self) -> str:
        """The job that the entry belongs to."""
        return str(self.event["job"])

    @property
    def mark(self) -> str:
        """What the producer called the event, or nothing for an event without data."""
        data = self.event.get("data")
        return str(data.get("mark", "")) if isinstance(data, dict) else ""


class Gap(NamedTuple):
    """What the system itself says may be gone: a partition's entries after `after`, before `ms`."""

    partition: int
    after: EntryName
    resumed_ms: int


class Loss(NamedTuple):
    """A time that a fault really took entries from Redis."""

    kind: str
    begun: float
    """From when on the entries may be gone, by the monotonic clock."""
    over: float
    """From when on nobody can have them any more."""
    before: frozenset[Place]
    """What the tap had seen until then."""
    survived: frozenset[Place]
    """What Redis had right after it."""
    levels: frozenset[str]
    """The acknowledgements that do not survive such a fault."""
    is_sudden: bool = False
    """Whether entries may have been lost that the tap had no time to see."""


class Window(NamedTuple):
    """A time in which calls may fail: a fault, until the system was seen to be whole again."""

    kind: str
    target: str
    begun: float
    over: float


class Memory(NamedTuple):
    """A look at Redis' memory, in bytes, while it had a limit."""

    at: float
    used: int
    limit: int


class Verdict(NamedTuple):
    """What a command of ours says of the system at the end."""

    exit_code: int
    output: Any
    """Its JSON."""


WELL = Verdict(0, {"differences": []})


@dataclass
class Evidence:
    """What was seen, recorded and found at the end."""

    records: Sequence[Record]
    seen: dict[Place, Seen]
    poison: set[Place]
    archived: Sequence[Seen]
    """The archive's rows, in the order of the log."""
    dead: dict[Place, str]
    """The dead letters, and why."""
    views: dict[str, dict[str, Any]]
    """Each job's view: `version`, and the marks of its `stages`."""
    gaps: Sequence[Gap]
    losses: Sequence[Loss] = ()
    windows: Sequence[Window] = ()
    forged: frozenset[Place] = frozenset()
    """Entries that look like events and that no manager made."""
    memory: Sequence[Memory] = ()
    spool_refused: frozenset[str] = frozenset()
    """The marks of what a spool keeps, for the log refused it."""
    deaths: Sequence[str] = ()
    stuck: Sequence[str] = ()
    """What did not recover."""
    renamed: Sequence[str] = ()
    doctor: Verdict = WELL
    verify: Verdict = WELL


def entry_id(text: str) -> EntryName:
    """Read an entry id."""
    ms, _, seq = text.partition("-")
    return int(ms), int(seq)
