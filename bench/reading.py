"""`python -m bench.reading replay|rebuild`: read a whole log in a process of its own.

It reads the environment's settings, and prints how fast it was and what memory it had, as JSON.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import msgspec

from checkpoint import Settings
from checkpoint.events.entry import Entry
from checkpoint.projector.fold import JobState
from checkpoint.query.history.audit import states_after
from checkpoint.query.history.recall import recaller
from checkpoint.query.history.stream import find_extent, stream
from checkpoint.query.listing.place import find_place
from checkpoint.query.undisturbed import undisturbed
from checkpoint.rebuild import rebuild
from checkpoint.servers import Servers

from .process import resident_bytes

AT_ONCE = 2
"""Partitions that are rebuilt at a time, as by `checkpoint rebuild`."""


class Reading(msgspec.Struct):
    """How a log was read."""

    per_second: float
    early_bytes: int
    """Memory when a quarter was read."""
    late_bytes: int
    """Memory when all was."""


def replayed(servers: Servers, settings: Settings) -> Iterator[tuple[list[Entry], list[JobState]]]:
    """Fold all that the archive has, in the order of the log; the log itself is not read."""
    place = servers.run(find_place(settings.namespace, has_archive=True))
    extent = servers.run(find_extent(place, 0, None, has_log=False))
    pages = stream(servers.run, place, extent, has_log=False)
    return states_after(pages, recaller(servers.run, place, has_log=False))


def _replay(servers: Servers, settings: Settings, tell: Callable[[int], None]) -> None:
    """Fold all events; `tell` hears how many."""
    count = 0
    with undisturbed():  # as in `checkpoint replay`
        for entries, _ in replayed(servers, settings):
            count += len(entries)
            tell(count)


def _rebuild(servers: Servers, settings: Settings, tell: Callable[[int], None]) -> None:
    """Make all views anew; `tell` hears how many events they have, eight each."""
    place = servers.run(find_place(settings.namespace, has_archive=True))
    views = dict.fromkeys(range(place.partitions), 0)

    def one(number: int) -> None:
        def told(written: int) -> None:
            views[number] = written
            tell(sum(views.values()) * 8)

        servers.run(rebuild(place, number, told))

    with undisturbed(), ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(one, views))


def main(what: str) -> None:
    """Read, and print the reading."""
    settings = Settings.from_env()
    process = os.getpid()
    memory: list[tuple[int, int]] = []
    work = {"replay": _replay, "rebuild": _rebuild}[what]
    with closing(Servers(settings)) as servers:
        begun = time.perf_counter()
        work(servers, settings, lambda count: memory.append((count, resident_bytes(process))))
        seconds = time.perf_counter() - begun
    events = memory[-1][0]
    early = next(rss for count, rss in memory if count >= events / 4)
    reading = Reading(events / seconds, early, memory[-1][1])
    sys.stdout.buffer.write(msgspec.json.encode(reading))


if __name__ == "__main__":
    main(sys.argv[1])
