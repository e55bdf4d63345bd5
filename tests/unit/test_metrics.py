"""Metrics: what was done and seen, as Prometheus reads it; and what ops/ makes of them."""

import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from histories import Act, log_of
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.outage import Outage
from checkpoint.events.work import Stopwatch
from checkpoint.metrics import LogCollector, Seen, WorkMetrics
from checkpoint.query.lag import Lag
from checkpoint.readings import Reading
from checkpoint.snapshotter.troubles import Troubles

OPS = Path(__file__).resolve().parents[2] / "ops"
DASHBOARD = OPS / "grafana" / "dashboards" / "checkpoint.json"
RULES = OPS / "prometheus" / "rules.yml"
PROMTOOL = shutil.which("promtool")

READING = Reading(
    [
        Lag("projector", 3, 5, 0.25, EntryId(1000, 0), EntryId(9000, 0)),
        Lag("snapshotter", 3, 7, 61.5, EntryId(4500, 2), EntryId(9000, 0)),
        Lag("snapshotter", 4, 0, 0.0, ZERO, ZERO),
    ],
    {"projector": 2, "snapshotter": 0},
    800,
    1000,
)


def samples(registry: CollectorRegistry) -> dict[tuple[str, ...], float]:
    """Return the values of all samples by their names and the values of their labels."""
    return {
        (one.name, *(value for name, value in sorted(one.labels.items()) if name != "log")): value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for one in family.samples
        for value in [one.value]
    }


def worked(kind: str) -> CollectorRegistry:
    registry = CollectorRegistry()
    entries = log_of([Act("complete", "j", stage, 1) for stage in ("cut", "mix")]).entries
    metrics = WorkMetrics(kind, "films", registry)
    metrics.observe(Stopwatch().stop([entries, entries], 1))
    return registry


def saw(seen: Seen, *, has_archive: bool = True) -> CollectorRegistry:
    registry = CollectorRegistry()
    collector = LogCollector("films", has_archive=has_archive)
    collector.seen = seen
    registry.register(collector)
    return registry


@pytest.mark.parametrize(
    ("kind", "took"),
    [("projector", "checkpoint_script_seconds"), ("snapshotter", "checkpoint_commit_seconds")],
)
def test_work_is_counted(kind: str, took: str) -> None:
    found = samples(worked(kind))
    assert found["checkpoint_events_applied_total", kind] == 4
    assert found["checkpoint_undecodable_entries_total", kind] == 1
    assert found["checkpoint_batch_entries_sum", kind] == 4
    assert found["checkpoint_batch_entries_bucket", kind, "1.0"] == 0
    assert found["checkpoint_batch_entries_bucket", kind, "4.0"] == 1
    assert found[f"{took}_count", kind] == 1


def test_what_was_seen_is_told() -> None:
    found = samples(saw(Seen(READING, Troubles(2, 8))))
    assert found["checkpoint_redis_up",] == found["checkpoint_archive_up",] == 1
    assert found["checkpoint_lag_entries", "projector", "3"] == 5
    assert found["checkpoint_lag_seconds", "snapshotter", "3"] == 61.5
    assert found["checkpoint_watermark_timestamp_seconds", "3"] == 4.5
    assert ("checkpoint_watermark_timestamp_seconds", "4") not in found
    assert found["checkpoint_oldest_unarchived_seconds",] == 61.5
    assert found["checkpoint_workers", "projector"] == 2
    assert found["checkpoint_workers", "snapshotter"] == 0
    assert found["checkpoint_redis_memory_used_bytes",] == 800
    assert found["checkpoint_redis_memory_limit_bytes",] == 1000
    assert found["checkpoint_dead_letters",] == 2
    assert found["checkpoint_restorations_total",] == 8


def test_of_servers_that_are_away_only_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(Outage.met, "LogUnavailable", 3)
    found = samples(saw(Seen()))
    assert found["checkpoint_redis_up",] == found["checkpoint_archive_up",] == 0
    assert found["checkpoint_outages_total", "LogUnavailable"] == 3
    names = {name for name, *_ in found}
    assert names == {"checkpoint_redis_up", "checkpoint_archive_up", "checkpoint_outages_total"}


def test_an_outage_that_never_was_is_counted_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Outage, "met", Counter())
    assert samples(saw(Seen()))["checkpoint_outages_total", "ArchiveUnavailable"] == 0


def test_a_log_without_an_archive_says_nothing_of_one() -> None:
    names = {name for name, *_ in samples(saw(Seen(READING), has_archive=False))}
    assert "checkpoint_redis_up" in names
    assert not {"checkpoint_archive_up", "checkpoint_oldest_unarchived_seconds"} & names


def known() -> set[str]:
    """Return the names that all samples may have."""
    seen = saw(Seen(READING, Troubles(0, 0)))
    names = {name for name, *_ in samples(seen)}
    for kind in ("projector", "snapshotter"):
        names |= {name for name, *_ in samples(worked(kind))}
    return names


def used(text: str) -> set[str]:
    """Return the names of metrics in expressions, if not of labels."""
    return set(re.findall(r"\bcheckpoint_[a-z_]+", text))


def expressions(panels: list[dict[str, Any]]) -> Iterator[str]:
    for panel in panels:
        for target in panel["targets"]:
            yield target["expr"]


def test_alerts_and_dashboard_use_metrics_that_there_are() -> None:
    board = "\n".join(expressions(json.loads(DASHBOARD.read_text())["panels"]))
    for text in (board, RULES.read_text()):
        assert used(text)
        assert used(text) <= known()


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.skipif(not PROMTOOL, reason="needs promtool: Debian's package prometheus has it")
@pytest.mark.parametrize(
    "check", [("check", "config", "prometheus.yml"), ("test", "rules", "rules_test.yml")]
)
def test_prometheus_takes_the_rules_and_they_alert_as_they_should(check: tuple[str, ...]) -> None:
    assert PROMTOOL
    done = subprocess.run(
        [PROMTOOL, *check], cwd=RULES.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
