"""Discrepancies: what a verification finds that should not be."""

from typing import NamedTuple

from checkpoint.events.entry_id import EntryId


class Discrepancy(NamedTuple):
    """One thing that is not as it should be, and where."""

    kind: str
    """edited, removed, inserted, reordered, digest: of the archive's rows; column: of a row against
    its own event; log, view, version: of what log, view and archive say of the same."""
    what: str
    partition: int
    entry: str = ""
    """An entry id; "" where it is about no single entry."""
    job: str = ""
    version: int = 0

    def __str__(self) -> str:
        """Say it in a line."""
        job = f", job {self.job!r}" if self.job else ""
        version = f" v{self.version}" if self.version else ""
        entry = f", entry {self.entry}" if self.entry else ""
        return f"{self.kind}: partition {self.partition}{entry}{job}{version}: {self.what}"


def at(name: EntryId | None) -> str:
    """Name an entry that others are told from; None is before the first one."""
    return "the beginning" if name is None else f"entry {name}"
