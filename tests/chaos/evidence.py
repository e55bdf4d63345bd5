"""Evidence: all that can be known of a run from the outside, in plain values."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any, NamedTuple

import psycopg

from .records import Record, read_records
from .schedule import PRODUCERS
from .tap import Seen, Tap, entry_id
from .world import NAMESPACE, World

Place = tuple[int, tuple[int, int]]
"""A partition and an entry id."""


class Gap(NamedTuple):
    """What the system itself says may be gone: a partition's entries after `after`, before `ms`."""

    partition: int
    after: tuple[int, int]
    resumed_ms: int


@dataclass
class Evidence:
    """What was seen, recorded and found at the end."""

    records: Sequence[Record]
    seen: dict[Place, Seen]
    poison: set[Place]
    archived: Sequence[Seen]
    """The archive's rows, in the order of the log."""
    dead: dict[Place, str]
    """The dead letters, and why."""
    views: dict[str, dict[str, Any]]
    """Each job's view: `version`, `deleted` and the marks of its `stages`."""
    gaps: Sequence[Gap]
    losses: Sequence[float]
    """When Redis had lost data, by the monotonic clock."""


def gather(world: World, tap: Tap, losses: Sequence[float]) -> Evidence:
    """Take the evidence of a run that has come to rest."""
    tap.poll()
    with psycopg.connect(world.postgres.url) as connection:
        archived, dead, gaps = _rows(connection), _dead(connection), _gaps(connection)
    records = [one for name in PRODUCERS for one in read_records(world.records(name))]
    records.sort(key=lambda one: one.at)
    return Evidence(records, dict(tap.seen), tap.poison, archived, dead, _views(tap), gaps, losses)


def settled(world: World, tap: Tap, seconds: float) -> bool:
    """Wait until archive and views have the whole log; False where they do not get there."""
    deadline = monotonic() + seconds
    while not _at_rest(world, tap):
        if monotonic() > deadline:
            return False
        sleep(0.1)
    return True


def _at_rest(world: World, tap: Tap) -> bool:
    tap.poll()
    with tap.client() as client, psycopg.connect(world.postgres.url) as connection:
        archived = {
            partition: (int(ms), int(seq))
            for partition, ms, seq in connection.execute(
                f"SELECT partition, ms, seq FROM {NAMESPACE}.position"  # noqa: S608 - a constant
            )
        }
        for partition in range(tap.partitions):
            rows: Any = client.xrevrange(tap.log(partition), count=1)
            last = entry_id(rows[0][0].decode()) if rows else (0, 0)
            viewed: Any = client.get(f"{{{NAMESPACE}:{partition}}}:position")
            if archived[partition] < last or entry_id((viewed or b"0-0").decode()) < last:
                return False
    return True


def _rows(connection: "psycopg.Connection[Any]") -> list[Seen]:
    rows = connection.execute(
        f"SELECT partition, ms, seq, version, incarnation_ms, incarnation_seq, event::text "  # noqa: S608 - a constant
        f"FROM {NAMESPACE}.event ORDER BY partition, ms, seq"
    )
    return [
        Seen(partition, (ms, seq), version, (born_ms, born_seq), json.loads(event), 0.0)
        for partition, ms, seq, version, born_ms, born_seq, event in rows
    ]


def _dead(connection: "psycopg.Connection[Any]") -> dict[Place, str]:
    rows = connection.execute(
        f"SELECT partition, ms, seq, reason FROM {NAMESPACE}.dead_letter"  # noqa: S608 - a constant
    )
    return {(partition, (int(ms), int(seq))): reason for partition, ms, seq, reason in rows}


def _gaps(connection: "psycopg.Connection[Any]") -> list[Gap]:
    rows = connection.execute(
        f"SELECT partition, ms, seq, resumed_ms FROM {NAMESPACE}.restoration"  # noqa: S608 - a constant
    )
    return [Gap(partition, (int(ms), int(seq)), int(until)) for partition, ms, seq, until in rows]


def _views(tap: Tap) -> dict[str, dict[str, Any]]:
    views = {}
    with tap.client() as client:
        for key in client.scan_iter(match=f"{{{tap.namespace}:*}}:view.2:*", count=1000):
            view: Any = client.lrange(key, 0, -1)
            _, done = json.loads(view[1])
            stages = {
                stage: json.loads(data)["mark"]
                for (stage, *_), data in zip(done, view[2:], strict=True)
            }
            version = int(view[0].split()[1])
            views[key.decode().split(":view.2:", 1)[1]] = {"version": version, "stages": stages}
    return views
