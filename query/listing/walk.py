"""Walking back: the entries of all partitions, newest first, from the log and then the archive."""

from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Self

from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.errors import InvalidName
from checkpoint.events.keys import PartitionKeys
from checkpoint.events.steps import AskArchive, Steps, command
from checkpoint.query.lookup import decoded

from .sources import Sources

if TYPE_CHECKING:
    from checkpoint.snapshotter.recent import Recent

LOG_ENTRIES = 100
"""Entries that are read of a partition's log at a time: they come with their data."""
ARCHIVE_ENTRIES = 1000
"""Entries that are read of a partition's archive at a time: they come without."""
SEARCHED_ENTRIES = 20_000
"""As many where a name is looked for: only those that have it come."""


LATEST = EntryId(2**63 - 1, 2**63 - 1)
"""After every entry that an archive can hold."""


class Sighting(NamedTuple):
    """An entry that a walk comes by. Ordered as the walk is, backwards."""

    id: EntryId
    partition: int
    job: str = ""

    def __str__(self) -> str:
        """`partition:ms-seq`, which `parse` reads."""
        return f"{self.partition}:{self.id}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `partition:ms-seq`; InvalidName where it is not of that form."""
        partition, _, name = text.partition(":")
        with suppress(ValueError):
            found = cls(EntryId.parse(name), int(partition))
            if all(0 <= part <= most for part, most in zip(found.id, LATEST, strict=True)):
                return found
        raise InvalidName(
            f"{text!r} names no place to go on from: it is PARTITION:MS-SEQ, as the page before "
            "said"
        )

    def bound(self, partition: int) -> EntryId:
        """Return the entry id before which a partition's entries come after this one."""
        return EntryId(self.id.ms, self.id.seq + 1) if partition < self.partition else self.id


TOP = Sighting(LATEST, 0)
"""Before all entries."""


class Walk:
    """A way back through the log down to what the archive has too, and on through the archive.

    Entries that are trimmed meanwhile are not missed: a partition's archive is read from the last
    entry that the log had.
    """

    def __init__(self, sources: Sources, start: Sighting, name: str = "") -> None:
        """Begin after `start`. Few are passed on of entries of jobs without `name` in theirs."""
        self._name = name
        self._place = sources.place
        self._archived = sources.positions
        self._bounds = {number: start.bound(number) for number in range(self._place.partitions)}
        self._in_log = set(self._bounds) if sources.by_log else set()
        self._pool: list[Sighting] = []

    def further(self) -> Steps[list[Sighting]]:
        """Return what comes next, newest first; nothing at the end."""
        found: list[Sighting] = []
        while not found and (self._bounds or self._pool):
            pooled = {one.partition for one in self._pool}
            hungry = [number for number in self._bounds if number not in pooled]
            archived = [number for number in hungry if number not in self._in_log]
            for number in self._in_log.intersection(hungry):
                yield from self._read_log(number)
            if archived:
                yield from self._read_archive(archived)
            found = self._take()
        return found

    def _take(self) -> list[Sighting]:
        """Take what no partition can come before any more."""
        horizon = max(self._bounds.values(), default=ZERO)
        taken = sorted((one for one in self._pool if one.id >= horizon), reverse=True)
        self._pool = [one for one in self._pool if one.id < horizon]
        return taken

    def _read_log(self, number: int) -> Steps[None]:
        log = PartitionKeys(self._place.namespace, number).log
        floor = self._archived.get(number, ZERO)
        rows = yield from command(
            "XREVRANGE", log, f"({self._bounds[number]}", f"({floor}", "COUNT", LOG_ENTRIES
        )
        self._pool += (Sighting(one.id, number, one.event.job) for one in decoded(rows))
        if rows:
            self._bounds[number] = EntryId.parse(rows[-1][0])
        if len(rows) < LOG_ENTRIES:
            self._in_log.discard(number)
            if not self._place.has_archive:
                del self._bounds[number]

    def _read_archive(self, numbers: Iterable[int]) -> Steps[None]:
        bounds = {number: self._bounds.pop(number) for number in numbers}
        from checkpoint.snapshotter.recent import entries_before  # noqa: PLC0415 - psycopg

        limit = SEARCHED_ENTRIES if self._name else ARCHIVE_ENTRIES
        found: list[Recent] = yield AskArchive(partial(entries_before, bounds, limit, self._name))
        self._pool += (Sighting(one.id, one.partition, one.job) for one in found)
        self._bounds |= {one.partition: one.id for one in found if one.number == limit}
