"""Gathering the evidence of a run that has come to rest."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psycopg
from chaos.world.names import NAMESPACE, PARTITIONS
from chaos.world.world import World

from .facts import Evidence, Gap, Loss, Memory, Place, Seen, Verdict, Window, entry_id
from .records import read_records
from .tap import Tap

COMMAND_SECONDS = 60


def gather(
    world: World,
    tap: Tap,
    *,
    losses: Sequence[Loss],
    windows: Sequence[Window],
    forged: frozenset[Place],
    memory: Sequence[Memory],
    stuck: Sequence[str],
) -> Evidence:
    """Take the evidence, the faults' own and what can be found at the end."""
    tap.poll()
    with psycopg.connect(world.postgres.url) as connection:
        archived, dead, gaps = _rows(connection), _dead(connection), _gaps(connection)
    records = [one for path in world.folder.glob("*.jsonl") for one in read_records(path)]
    records.sort(key=lambda one: one.at)
    return Evidence(
        records,
        dict(tap.seen),
        tap.poison,
        archived,
        dead,
        _views(tap),
        gaps,
        losses=losses,
        windows=windows,
        forged=forged,
        memory=memory,
        spool_refused=_refused(world.folder),
        deaths=world.deaths,
        stuck=stuck,
        renamed=tap.renamed,
        doctor=_said(world.direct(), "doctor"),
        verify=_said(world.direct(), "verify"),
    )


def settled(world: World, tap: Tap, seconds: float) -> str:
    """Wait until archive and views have the whole log; say who does not get there."""
    deadline = monotonic() + seconds
    while behind := _behind(world, tap):
        if monotonic() > deadline:
            return behind
        sleep(0.1)
    return ""


def _behind(world: World, tap: Tap) -> str:
    tap.poll()
    with tap.client() as client, psycopg.connect(world.postgres.url) as connection:
        archived = {
            partition: (int(ms), int(seq))
            for partition, ms, seq in connection.execute(
                f"SELECT partition, ms, seq FROM {NAMESPACE}.position"  # noqa: S608 - a constant
            )
        }
        for partition in range(PARTITIONS):
            rows: Any = client.xrevrange(tap.log(partition), count=1)
            last = entry_id(rows[0][0].decode()) if rows else (0, 0)
            viewed: Any = client.get(f"{{{NAMESPACE}:{partition}}}:position")
            if archived.get(partition, (0, 0)) < last:
                return f"the archive has {archived.get(partition)} of {partition}:{last}"
            if entry_id((viewed or b"0-0").decode()) < last:
                return f"the views have {viewed} of {partition}:{last}"
    return ""


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
                stage: json.loads(data).get("mark", "")
                for (stage, *_), data in zip(done, view[2:], strict=True)
            }
            version = int(view[0].split()[1])
            views[key.decode().split(":view.2:", 1)[1]] = {"version": version, "stages": stages}
    return views


def _refused(folder: Path) -> frozenset[str]:
    marks = set()
    for file in folder.glob("*.spool"):
        with closing(sqlite3.connect(file)) as spool:
            rows = spool.execute("SELECT event FROM spooled WHERE refused IS NOT NULL")
            marks |= {json.loads(event)["data"]["mark"] for (event,) in rows}
    return frozenset(marks)


def _said(environment: Mapping[str, str], command: str) -> Verdict:
    done = subprocess.run(
        [sys.executable, "-m", "checkpoint", command, "--json"],
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
    try:
        return Verdict(done.returncode, json.loads(done.stdout))
    except ValueError:
        return Verdict(done.returncode, f"{done.stdout}{done.stderr}")
