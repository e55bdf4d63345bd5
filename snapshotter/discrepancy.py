"""Discrepancies: what a verification finds that should not be."""

from typing import NamedTuple

from checkpoint.events.entry_id import EntryId

BACKUP = "a backup of Postgres has what was there before; nothing else can tell"
CURES = dict.fromkeys(
    ("edited", "removed", "inserted", "reordered", "digest", "column"), BACKUP
) | {
    "log": "`checkpoint restore` brings Redis up to the archive",
    "view": "`checkpoint rebuild --job {job}` makes it anew from the archive and the log",
    "version": "`checkpoint deadletters list` has it if it was no event; else a backup may have it",
    "key": "`checkpoint rebuild` mends it",
}
"""What mends a discrepancy of a kind."""


class Discrepancy(NamedTuple):
    """One thing that is not as it should be, and where."""

    kind: str
    """edited, removed, inserted, reordered, digest: of the archive's rows; column: of a row against
    its own event; log, view, version: of what log, view and archive say of the same; key: of a key
    in Redis that holds something else."""
    what: str
    partition: int
    entry: str = ""
    """An entry id; "" where it is about no single entry."""
    job: str = ""
    version: int = 0
    cure: str = ""
    """What mends it; "" for what mends others of its kind."""

    @property
    def mended_by(self) -> str:
        """What mends it, if anything does."""
        return self.cure or CURES[self.kind].format(job=self.job)

    def __str__(self) -> str:
        """Say it in a line."""
        job = f", job {self.job!r}" if self.job else ""
        version = f" v{self.version}" if self.version else ""
        entry = f", entry {self.entry}" if self.entry else ""
        where = f"partition {self.partition}{entry}{job}{version}"
        return f"{self.kind}: {where}: {self.what}. {self.mended_by[0].upper()}{self.mended_by[1:]}"


def at(name: EntryId | None) -> str:
    """Name an entry that others are told from; None is before the first one."""
    return "the beginning" if name is None else f"entry {name}"
