"""Entry ids: Redis' own names for the entries of a stream, ordered in time."""

from datetime import UTC, datetime
from typing import NamedTuple, Self


class EntryId(NamedTuple):
    """The id of one log entry: milliseconds since 1970 by Redis' clock, and a sequence number."""

    ms: int
    seq: int

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """Read `ms-seq` as Redis writes it; a ValueError where it is not of that form."""
        ms, _, seq = text.partition(b"-") if isinstance(text, bytes) else text.partition("-")
        return cls(int(ms), int(seq))

    def __str__(self) -> str:
        """`ms-seq`, as Redis writes it."""
        return f"{self.ms}-{self.seq}"

    @property
    def time(self) -> datetime:
        """When Redis made the entry, in UTC."""
        return utc(self.ms)

    @property
    def before(self) -> "EntryId":
        """The greatest id below this one, for reads that start after an id."""
        return EntryId(self.ms, self.seq - 1) if self.seq else EntryId(self.ms - 1, MAX_SEQ)


MAX_SEQ = 2**64 - 1
ZERO = EntryId(0, 0)


def utc(ms: int) -> datetime:
    """Turn milliseconds since 1970 into a time in UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC)
