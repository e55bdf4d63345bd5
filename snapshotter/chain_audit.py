"""The audit of a chain: goes over a partition's rows, and names those that do not fit. Pure.

A row that does not follow is not the end: the audit goes on from the link that stands there, so
that one edit is one difference. Rows without a link, which an earlier release stored, are chained
over like the others; the next row that has one proves them.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from checkpoint.events.entry_id import EntryId

from .chain import Head
from .discrepancy import Discrepancy, at
from .rows import Row

LOOKS_BACK = 64
"""Rows after which it is still seen that what follows them goes on from before them."""


class _Broken(NamedTuple):
    """A row that does not follow, the number it would have, and the row before it."""

    row: Row
    number: int
    expected: int
    before: EntryId | None


class _Run(NamedTuple):
    """Rows without a link, one after the other."""

    first: EntryId
    last: EntryId
    rows: int
    before: Head


class ChainAudit:
    """What is known of a partition's chain after the rows so far."""

    def __init__(self, partition: int, start: Head) -> None:
        """Begin before the first row."""
        self.head = start
        self.last: EntryId | None = None
        """The last row that was taken."""
        self.discarded = 0
        """Rows so far of which only the leaf is left: the chain proves no more of them."""
        self.notes: list[str] = []
        """What is no difference, but should be known."""
        self._partition = partition
        self._past: deque[tuple[Head, Row | None]] = deque([(start, None)], maxlen=LOOKS_BACK)
        self._broken: list[_Broken] = []
        """Rows that did not follow, since the last one that did."""
        self._run: _Run | None = None

    def feed(self, rows: Iterable[Row]) -> Iterator[Discrepancy]:
        """Take the next rows of the partition; yield what does not fit."""
        for row in rows:
            leaf = row.leaf(self._partition)
            self.discarded += row.discarded is not None
            if row.chain is None:
                self._pass_over(row, leaf)
            else:
                yield from self._take(row, row.chain, leaf)
                self._past.append((self.head, row))
            self.last = row.id

    def finish(self, head: Head, last: EntryId) -> Iterator[Discrepancy]:
        """Say what does not fit to the head on record, which is of the entry `last`."""
        yield from self._name_broken()
        if self._run and head.chain == self._run.before.chain:
            yield self._inserted_run(self._run)
        elif self.head == head:
            self._note()
        elif head.number > self.head.number:
            gone = head.number - self.head.number
            what = f"{gone} rows after {at(self.last)} up to {last} are gone"
            yield Discrepancy("removed", what, self._partition)
        else:
            what = f"the link of the position at {last} is not that of {at(self.last)}"
            yield Discrepancy("edited", what, self._partition)

    def _pass_over(self, row: Row, leaf: bytes) -> None:
        run = self._run or _Run(row.id, row.id, 0, self.head)
        self._run = run._replace(last=row.id, rows=run.rows + 1)
        self.head = self.head.over(leaf)

    def _take(self, row: Row, link: bytes, leaf: bytes) -> Iterator[Discrepancy]:
        after = self.head.over(leaf)
        number = row.number or after.number
        if link == after.chain:
            yield from self._name_broken()
            yield from self._misnumbered(row, after.number)
            self._note()
        elif self._run and link == self._run.before.over(leaf).chain:
            yield from self._name_broken()
            yield self._inserted_run(self._run)
        elif strangers := self._strangers_before(link, leaf):
            yield from self._name_out_of_place(strangers)
        else:
            if len(self._broken) == LOOKS_BACK:
                yield from self._name_broken()
            self._broken.append(_Broken(row, number, after.number, self.last))
        self._run = None
        self.head = Head(number, link)

    def _strangers_before(self, link: bytes, leaf: bytes) -> list[Row]:
        """Return the rows that stand between this one and an earlier one that it goes on from."""
        strangers: list[Row] = []
        for head, row in reversed(self._past):
            if strangers and head.over(leaf).chain == link:
                return strangers[::-1]
            if row:
                strangers.append(row)
        return []

    def _name_out_of_place(self, strangers: list[Row]) -> Iterator[Discrepancy]:
        """Name rows which the chain goes on without: inserted, or moved with those before them."""
        numbers = sorted(one.number for one in self._broken)
        moved = [one.row for one in self._broken]
        if len(moved) > 1 and numbers == list(range(numbers[0], numbers[0] + len(numbers))):
            self._broken = []
            for row in moved:
                yield self._reordered(row)
            return
        self._broken = [one for one in self._broken if one.row not in strangers]
        yield from self._name_broken()
        for row in strangers:
            yield self._of(row, "inserted", "the chain goes on without it")

    def _name_broken(self) -> Iterator[Discrepancy]:
        """Name the rows that did not follow, each by its number and the row before it."""
        broken, self._broken = self._broken, []
        for row, number, expected, before in broken:
            if number > expected:
                yield self._removed(row, number - expected, before)
            elif number < expected:
                yield self._reordered(row)
            else:
                yield self._of(
                    row,
                    "edited",
                    f"its link is not that of its bytes and of {at(before)}: it was edited, or "
                    "rows without a link before it",
                )

    def _misnumbered(self, row: Row, expected: int) -> Iterator[Discrepancy]:
        if row.number is not None and row.number > expected:
            yield self._removed(row, row.number - expected, self.last)
        elif row.number != expected:
            yield self._of(row, "edited", f"its number says {row.number}, and it is {expected}")

    def _removed(self, row: Row, count: int, before: EntryId | None) -> Discrepancy:
        what = f"{count} rows between {at(before)} and this one are gone"
        return self._of(row, "removed", what)

    def _reordered(self, row: Row) -> Discrepancy:
        return self._of(row, "reordered", "it stands in another place than it had")

    def _inserted_run(self, run: _Run) -> Discrepancy:
        what = f"{run.rows} rows without a link up to {run.last}: the chain goes on without them"
        return Discrepancy("inserted", what, self._partition, str(run.first))

    def _note(self) -> None:
        if self._run:
            first, last, rows, _ = self._run
            self.notes.append(
                f"partition {self._partition}: {rows} rows from {first} to {last} have no link of "
                "their own, for an earlier release stored them; the link after them covers them"
            )

    def _of(self, row: Row, kind: str, what: str) -> Discrepancy:
        version = int(row.fields[3]) if row.job is not None else 0
        return Discrepancy(kind, what, self._partition, str(row.id), row.job or "", version)
