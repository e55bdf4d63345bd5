"""The stream: all events on record in the order in which they happened, whole pages at a time.

Each partition is read from the archive and then from the log, and the partitions are merged by
entry id. Nothing is read twice, for each page begins after the one before; nothing is missed, for
what the log has dropped is looked for in the archive once more.
"""

from bisect import bisect_right
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from checkpoint.events.entry import Entry
from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.freshness import Place, redis_ms
from checkpoint.events.keys import PartitionKeys
from checkpoint.events.steps import AskArchive, Steps, command
from checkpoint.query.lookup import SCAN_ENTRIES, decoded

if TYPE_CHECKING:
    from checkpoint.snapshotter.pages import Asked, Pages

FIRST_PAGE_ENTRIES = 100
PAGE_ENTRIES = 4000
PAGE_BYTES = 200_000
"""A page is as large as that, going by the one before: events may have much data or little. The
pages of all partitions should stay near the processor."""

Run = Callable[[Steps[Any]], Any]
"""Carries out steps: `Servers.run`."""

by_id = attrgetter("id")


class Extent(NamedTuple):
    """From where to where a stream goes: ms since 1970."""

    start_ms: int
    before_ms: int


def find_extent(
    place: Place, since_ms: int, until_ms: int | None, *, has_log: bool
) -> Steps[Extent]:
    """Find where a stream has to begin so that no incarnation with an event since then lacks any.

    It ends at a time, by default now. LogUnavailable, ArchiveUnavailable.
    """
    now_ms = yield from _now(has_log=has_log)
    before_ms = now_ms if until_ms is None else min(now_ms, until_ms)
    if not since_ms:
        return Extent(0, before_ms)
    first = since_ms
    for number in range(place.partitions):
        born_ms = yield from _first_in(place, number, Extent(since_ms, before_ms), has_log=has_log)
        first = min(first, born_ms)
    return Extent(first, before_ms)


def stream(
    run: Run, place: Place, extent: Extent, *, has_log: bool
) -> Generator[list[Entry], None, None]:
    """Yield the entries of a span of time in the order of the log, some thousand at a time.

    Their `encoded` is empty. Without `has_log` they are those of the archive alone.
    LogUnavailable, ArchiveUnavailable.
    """
    start = EntryId(extent.start_ms, 0).before if extent.start_ms else ZERO
    logs = [PartitionKeys(place.namespace, number).log for number in range(place.partitions)]
    with run(_pages(place)) as pages:
        yield from _merged(
            [
                Reader(run, pages, log if has_log else None, number, start, extent.before_ms)
                for number, log in enumerate(logs)
            ]
        )


@dataclass(slots=True)
class Reader:
    """Reads the entries of one partition: from the archive, page after page, then from the log."""

    run: Run
    pages: "Pages | None"
    """The archive's, if there is one."""
    log: str | None
    """The stream's key, where the log is read."""
    partition: int
    after: EntryId
    before_ms: int
    limit: int = field(default=FIRST_PAGE_ENTRIES, init=False)
    page: list[Entry] = field(default_factory=list, init=False)
    asked: "Asked | None" = field(init=False)
    """The archive's page after this one."""
    archive_is_over: bool = field(default=False, init=False)
    """Whether to go on in the log, and ask the archive only for what that has dropped."""

    def __post_init__(self) -> None:
        """Ask for the first page."""
        self.asked = self._ask(self.pages) if self.pages else None

    def fill(self) -> bool:
        """Have a page, unless it is the end."""
        if not self.page:
            self.page = ([] if self.archive_is_over else self._archived()) or self._logged()
        return bool(self.page)

    def take(self, last: EntryId) -> list[Entry]:
        """Take what the page has up to an entry id."""
        count = bisect_right(self.page, last, key=by_id)
        taken, self.page = self.page[:count], self.page[count:]
        return taken

    def _archived(self) -> list[Entry]:
        """Read on in the archive, and ask for what comes then."""
        if not self.pages:
            return []
        page = self.pages.take(self.asked or self._ask(self.pages))
        self.asked = None
        if not page:
            return []
        from checkpoint.snapshotter.pages import decode_page  # noqa: PLC0415 - psycopg

        entries = decode_page(page)
        self.after = entries[-1].id
        self.limit = max(1, min(PAGE_ENTRIES, PAGE_BYTES * len(entries) // len(page)))
        self.asked = self._ask(self.pages)
        return entries

    def _ask(self, pages: "Pages") -> "Asked":
        return pages.ask(self.partition, self.after, self.before_ms, self.limit)

    def _logged(self) -> list[Entry]:
        if self.log is None:
            return []
        logged: list[Entry] = self.run(_read_log(self.log, self.after, self.before_ms))
        # the log may have dropped just now what the archive has got just before
        archived = self._archived()
        self.archive_is_over = not archived
        if archived:
            return archived
        if logged:
            self.after = logged[-1].id
        return logged


def _pages(place: Place) -> "Steps[AbstractContextManager[Pages | None]]":
    if not place.has_archive:
        return nullcontext()
    from checkpoint.snapshotter.pages import reading_pages  # noqa: PLC0415 - psycopg

    reading: AbstractContextManager[Pages] = yield AskArchive(reading_pages)
    return reading


def _read_log(log: str, after: EntryId, before_ms: int) -> Steps[list[Entry]]:
    """Read on in a partition's log, past entries that are no events."""
    start = f"({after}"
    while True:
        rows = yield from command("XRANGE", log, start, f"({before_ms}-0", "COUNT", SCAN_ENTRIES)
        entries = [one._replace(encoded=b"") for one in decoded(rows)]
        if entries or len(rows) < SCAN_ENTRIES:
            return entries
        start = f"({rows[-1][0].decode()}"


def _merged(readers: list[Reader]) -> Iterator[list[Entry]]:
    while readers := [one for one in readers if one.fill()]:
        last = min(one.page[-1].id for one in readers)
        entries = [entry for one in readers for entry in one.take(last)]
        entries.sort(key=by_id)
        yield entries


def _now(*, has_log: bool) -> Steps[int]:
    if not has_log:
        now_ms: int = yield AskArchive(lambda archive: archive.now_ms())
        return now_ms
    return (yield from redis_ms())


def _first_in(place: Place, number: int, span: Extent, *, has_log: bool) -> Steps[int]:
    """Say when the oldest incarnation began that has an entry of a partition in a span."""
    first, after = span.before_ms, EntryId(span.start_ms, 0).before
    if place.has_archive:
        from checkpoint.snapshotter.pages import first_incarnation  # noqa: PLC0415 - psycopg

        position: EntryId = yield AskArchive(lambda archive: archive.position(number))
        first = yield AskArchive(partial(first_incarnation, number, *span))
        after = max(after, position)
    log = PartitionKeys(place.namespace, number).log
    while has_log and (page := (yield from _read_log(log, after, span.before_ms))):
        first = min(first, *(one.incarnation.ms for one in page))
        after = page[-1].id
    return first
