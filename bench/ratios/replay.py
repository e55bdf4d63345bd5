"""Ratio 7: reading all that the archive has, through the fold; and making all views from it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import msgspec
import psycopg

from bench.reading import Reading, replayed
from bench.row import Aim, Row, at_least, at_most
from bench.servers import Bench, environ
from bench.turns import compared, rate, repeated
from bench.workers import caught_up, working
from bench.workload import PARTITIONS, fill
from checkpoint import Settings
from checkpoint.events import codec
from checkpoint.events.keys import PartitionKeys
from checkpoint.query.undisturbed import undisturbed
from checkpoint.servers import Servers

REPLAY = Aim(
    7,
    "replay",
    "replay of the archive through the fold",
    "COPY out and decoding by psycopg",
    "events/s",
    at_least(0.9),
)
REBUILD = Aim(7, "rebuild", "rebuild into fresh views", "", "events/s", at_least(50_000))
MEMORY = {
    "replay": Aim(
        7, "replay-memory", "memory of replay, at the end", "", "of that at a quarter", at_most(1.1)
    ),
    "rebuild": Aim(
        7,
        "rebuild-memory",
        "memory of rebuild, at the end",
        "",
        "of that at a quarter",
        at_most(1.1),
    ),
}
AIMS = (REPLAY, REBUILD, *MEMORY.values())
OUT = b"""
COPY %s.event (ms, seq, incarnation_ms, incarnation_seq, version, event)
TO STDOUT (FORMAT BINARY)
"""
TYPES = ("int8", "int8", "int8", "int8", "int8", "bytea")


def measure(bench: Bench) -> Iterator[Row]:
    """Bring a corpus into archive and view; read it in turns, then rebuild."""
    settings = bench.settings("corpus")
    filled = fill(settings, bench.plan.corpus, seconds=bench.plan.fill_seconds)
    with working(bench, settings, "projector", "snapshotter"):
        caught_up(settings, "projector", filled)
        caught_up(settings, "snapshotter", filled)
    size = f"{filled.events:,} events of jobs of eight stages"
    yield _replay(bench, settings, filled.events, size)
    yield _rebuild(bench, settings, size)
    for what, aim in MEMORY.items():
        seen = _in_child(bench, settings, what)
        yield aim.row(
            f"{size}: {seen.late_bytes / 1e6:.0f} MB, at a quarter of them "
            f"{seen.early_bytes / 1e6:.0f} MB",
            [seen.late_bytes / seen.early_bytes],
        )


def _replay(bench: Bench, settings: Settings, events: int, size: str) -> Row:
    """Read pages of the archive, merged by entry id, and fold; COPY the same rows and decode.

    Payloads stay undecoded on both sides. Cyclic garbage is not looked for on either, as in
    `checkpoint replay`.
    """
    with closing(Servers(settings)) as servers, bench.psycopg() as connection:

        def ours() -> None:
            pages = replayed(servers, settings)
            if (found := sum(len(entries) for entries, _ in pages)) != events:
                raise AssertionError(f"replayed {found}, not {events}")

        with undisturbed():
            figures = compared(
                lambda: rate(events, ours),
                lambda: rate(events, lambda: _copy_out(connection, settings)),
                REPLAY.limit,
                bench.slow_pace(),
            )
    return REPLAY.row(f"{size}; payloads undecoded on both sides", *figures)


def _copy_out(connection: psycopg.Connection, settings: Settings) -> None:
    with connection.cursor() as cursor, cursor.copy(OUT % settings.namespace.encode()) as copy:
        copy.set_types(TYPES)
        for row in copy.rows():
            codec.decode(row[-1])


def _rebuild(bench: Bench, settings: Settings, size: str) -> Row:
    """Drop all views, then let a process of its own make them anew; it times itself."""
    limit = REBUILD.limit or at_least(0)
    rates = repeated(
        lambda: _in_child(bench, settings, "rebuild").per_second, limit, bench.slow_pace()
    )
    return REBUILD.row(f"{size}, two partitions at a time, views dropped before", rates)


def _in_child(bench: Bench, settings: Settings, what: str) -> Reading:
    if what == "rebuild":
        _drop_views(bench, settings)
    done = subprocess.run(
        [sys.executable, "-m", "bench.reading", what],
        env=environ(settings),
        stdout=subprocess.PIPE,
        check=True,
    )
    return msgspec.json.decode(done.stdout, type=Reading)


def _drop_views(bench: Bench, settings: Settings) -> None:
    with bench.redis() as client:
        for number in range(PARTITIONS):
            view = PartitionKeys(settings.namespace, number).job("").view
            keys = list(client.scan_iter(match=f"{view}*", count=5000))
            if keys:
                client.unlink(*keys)
