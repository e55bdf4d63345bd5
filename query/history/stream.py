"""The stream: all events on record in the order in which they happened, whole pages at a time.

Each partition is read from the archive and then from the log, and the partitions are merged by
entry id. Nothing is read twice, for each page begins after the one before; nothing is missed, for
what the log has dropped is looked for in the archive once more.
"""

from bisect import bisect_right
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple

from checkpoint.events.entry import Entry
from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.freshness import Place, redis_ms
from checkpoint.events.keys import PartitionKeys
from checkpoint.events.steps import AskArchive, Steps, command
from checkpoint.query.lookup import SCAN_ENTRIES, decoded

FIRST_PAGE_ENTRIES = 100
PAGE_ENTRIES = 4000
PAGE_BYTES = 250_000
"""A page is as large as that, going by the one before: events may have much data or little."""

Run = Callable[[Steps[Any]], Any]
"""Carries out steps: `Servers.run`."""

Unread = bytes | list[Entry]
"""A page of the archive as it came, to be decoded by who uses it while the next one is read; or
entries of the log."""

by_id = attrgetter("id")


@dataclass(slots=True)
class Reader:
    """Reads the entries of one partition, page after page."""

    place: Place
    has_log: bool
    partition: int
    after: EntryId
    before_ms: int
    limit: int = field(default=FIRST_PAGE_ENTRIES, init=False)
    archive_is_over: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        """Know if there is an archive at all."""
        self.archive_is_over = not self.place.has_archive

    def read(self) -> Steps[Unread]:
        """Return what `take` makes the next page of; it is empty at the end."""
        if not self.archive_is_over and (page := (yield from self._archived())):
            return page
        if not self.has_log:
            return []
        logged = yield from self._logged()
        # the log may have dropped just now what the archive has got just before
        if self.place.has_archive and (page := (yield from self._archived())):
            return page
        self.archive_is_over = True
        return logged

    def take(self, page: Unread) -> list[Entry]:
        """Return the entries of a page that was read, and go on after them."""
        entries = self._decoded(page) if isinstance(page, bytes) else page
        if entries:
            self.after = entries[-1].id
        return entries

    def _archived(self) -> Steps[bytes]:
        from checkpoint.snapshotter.pages import read_page  # noqa: PLC0415 - psycopg

        page: bytes = yield AskArchive(
            partial(read_page, self.partition, self.after, self.before_ms, self.limit)
        )
        return page

    def _decoded(self, page: bytes) -> list[Entry]:
        from checkpoint.snapshotter.pages import decode_page  # noqa: PLC0415 - psycopg

        entries = decode_page(page)
        self.limit = max(1, min(PAGE_ENTRIES, PAGE_BYTES * len(entries) // len(page)))
        return entries

    def _logged(self) -> Steps[list[Entry]]:
        """Read on in the log, past entries that are no events."""
        log = PartitionKeys(self.place.namespace, self.partition).log
        start = f"({self.after}"
        while True:
            rows = yield from command(
                "XRANGE", log, start, f"({self.before_ms}-0", "COUNT", SCAN_ENTRIES
            )
            entries = [one._replace(encoded=b"") for one in decoded(rows)]
            if entries or len(rows) < SCAN_ENTRIES:
                return entries
            start = f"({rows[-1][0].decode()}"


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
    readers = [
        Reader(place, has_log, number, start, extent.before_ms)
        for number in range(place.partitions)
    ]
    with ThreadPoolExecutor(1) as thread:
        try:
            yield from _merged([Ahead(run, thread, reader) for reader in readers])
        finally:
            thread.shutdown(cancel_futures=True)


class Ahead:
    """A reader whose next page is being read while this one is worked on."""

    def __init__(self, run: Run, thread: ThreadPoolExecutor, reader: Reader) -> None:
        """Begin to read."""
        self._run = run
        self._thread = thread
        self._reader = reader
        self.page: list[Entry] = []
        self._next = self._submit()

    def fill(self) -> bool:
        """Have a page, unless it is the end."""
        if not self.page:
            self.page = self._reader.take(self._next.result())
            if self.page:
                self._next = self._submit()
        return bool(self.page)

    def take(self, last: EntryId) -> list[Entry]:
        """Take what the page has up to an entry id."""
        count = bisect_right(self.page, last, key=by_id)
        taken, self.page = self.page[:count], self.page[count:]
        return taken

    def _submit(self) -> Future[Unread]:
        return self._thread.submit(self._run, self._reader.read())


def _merged(readers: list[Ahead]) -> Iterator[list[Entry]]:
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

        positions = yield AskArchive(lambda archive: archive.positions())
        first = yield AskArchive(partial(first_incarnation, number, *span))
        after = max(after, positions[number])
    reader = Reader(place._replace(has_archive=False), has_log, number, after, span.before_ms)
    while page := reader.take((yield from reader.read())):
        first = min(first, *(one.incarnation.ms for one in page))
    return first
