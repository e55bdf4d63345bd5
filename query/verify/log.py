"""Checking the log against the archive: every entry that both have, or should have."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from checkpoint.events import entry as log_entry
from checkpoint.events.entry_id import EntryId
from checkpoint.events.errors import UndecodableEntry
from checkpoint.events.keys import PartitionKeys
from checkpoint.events.steps import AskArchive, Steps, command
from checkpoint.snapshotter.discrepancy import BACKUP, Discrepancy
from checkpoint.snapshotter.restorations import Restoration
from checkpoint.snapshotter.rows import Row, page

from .comparison import is_same, of_row, what_differs

ENTRIES_AT_ONCE = 1000

ARCHIVED = (
    "the archive is right unless a row of it is named as well; `checkpoint rebuild` makes anew "
    "what Redis keeps of jobs"
)

Fields = Sequence[bytes]


@dataclass(frozen=True, slots=True)
class LogCheck:
    """One partition's log, beside its archive. What seems to differ is looked at a second time."""

    keys: PartitionKeys
    lost: Sequence[Restoration]
    """What the log is known to lack: it ended at `logged`, the archive at `archived`."""

    def compare(
        self, after: EntryId, end: EntryId, rows: Sequence[Row]
    ) -> Steps[list[Discrepancy]]:
        """Compare the log after an entry id up to another with all rows of that range."""
        logged = yield from self._read(after, end)
        first = yield from self._first()
        archived = {row.id: row for row in rows}
        found = []
        for name in sorted(archived.keys() | logged.keys()):
            if any(self._named(name, archived.get(name), logged.get(name), first)):
                found += yield from self._again(name)
        return found

    def compare_one(self, row: Row) -> Steps[list[Discrepancy]]:
        """Compare one row with the log."""
        return (yield from self.compare(row.id.before, row.id, [row]))

    def further(self, after: EntryId, end: EntryId) -> Steps[dict[EntryId, Fields]]:
        """Read the next entries of the log after an entry id, up to another."""
        words = ("XRANGE", self.keys.log, f"({after}", str(end), "COUNT", ENTRIES_AT_ONCE)
        return {EntryId.parse(name): fields for name, fields in (yield from command(*words))}

    def _again(self, name: EntryId) -> Steps[list[Discrepancy]]:
        rows = yield AskArchive(partial(page, self.keys.partition, name.before, name, 1))
        logged = yield from self._read(name.before, name)
        first = yield from self._first()
        return list(self._named(name, rows[0] if rows else None, logged.get(name), first))

    def _read(self, after: EntryId, end: EntryId) -> Steps[dict[EntryId, Fields]]:
        found: dict[EntryId, Fields] = {}
        start = f"({after}"
        while True:
            rows = yield from command(
                "XRANGE", self.keys.log, start, str(end), "COUNT", ENTRIES_AT_ONCE
            )
            found |= {EntryId.parse(name): fields for name, fields in rows}
            if len(rows) < ENTRIES_AT_ONCE:
                return found
            start = f"({rows[-1][0].decode()}"

    def _first(self) -> Steps[EntryId | None]:
        """Find the log's first entry: those before it were trimmed."""
        rows = yield from command("XRANGE", self.keys.log, "-", "+", "COUNT", 1)
        return EntryId.parse(rows[0][0]) if rows else None

    def _named(
        self, name: EntryId, row: Row | None, logged: Fields | None, first: EntryId | None
    ) -> Iterator[Discrepancy]:
        number = self.keys.partition
        if row is None:
            if logged is not None:
                what = "the log has it, and the archive, whose position is past it, has not"
                yield of_logged(number, name, logged, what)._replace(cure=BACKUP)
        elif logged is None:
            is_explained = any(one.logged < name <= one.archived for one in self.lost)
            if first is not None and name >= first and not is_explained:
                what = f"the archive has it, and the log, which goes back to {first}, has not"
                yield of_row(number, row, "log", what)._replace(cure=ARCHIVED)
        elif not is_same(number, row, logged):
            yield of_row(number, row, "log", what_differs(row, logged))._replace(cure=ARCHIVED)


def of_logged(partition: int, name: EntryId, logged: Fields, what: str) -> Discrepancy:
    """Say something of an entry of the log."""
    try:
        entry = log_entry.decode(str(name).encode(), logged)
    except UndecodableEntry:
        return Discrepancy("log", what, partition, str(name))
    return Discrepancy("log", what, partition, str(name), entry.event.job, entry.version)
