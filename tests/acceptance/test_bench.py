"""The benchmarks: a tiny run measures everything, and its report leaves nothing out."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import redis

from bench import callgrind
from bench.benchmark import Sockets
from bench.ratios import RATIOS
from bench.report import contender_lines, ratio_lines
from bench.row import Aim, Spread, at_least, at_most
from bench.turns import Pace, compared
from checkpoint.embedded import Valkey

ROOT = Path(__file__).resolve().parents[2]
AIMS = [aim for ratio in RATIOS for aim in ratio.AIMS]
VERBS = {"save", "lookup", "ingest", "replay", "bytes"}


PARTS = ("save", "lookup", "batch", "micro")
"""What is run here; all of it takes minutes, which is what `make bench QUICK=1` is for."""


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run some parts, once, at sizes so small that their figures mean nothing."""
    folder = tmp_path_factory.mktemp("bench")
    command = [sys.executable, "-m", "bench", "--plan", "tiny", "--out", str(folder), "--only"]
    done = subprocess.run([*command, *PARTS], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def results(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "results.json").read_text())
    return found


def test_every_ratio_is_measured_or_named(results: dict[str, Any]) -> None:
    rows = {row["key"]: row for row in results["rows"]}
    assert list(rows) == [aim.key for aim in AIMS]
    for row in rows.values():
        if row["missing"]:
            continue
        assert row["ours"] >= 0
        assert row["size"]
        assert row["judged"][0] <= row["judged"][2]
        assert (row["theirs"] is not None) == bool(row["beside"])
        assert (row["met"] is None) == (row["limit"] is None)
    assert {row["number"] for row in rows.values() if not row["missing"]} >= {1, 3, 4}


def test_the_table_names_everything(out: Path, results: dict[str, Any]) -> None:
    table = (out / "results.md").read_text()
    for aim in AIMS:
        assert f"| {aim.number} | {aim.what} |" in table
    for name, version in results["versions"].items():
        assert f"| {name} | {version} |" in table


def test_hot_functions_and_script_calls_are_timed(results: dict[str, Any]) -> None:
    micros = {one["function"]: one["micros"] for one in results["micro"]}
    assert all(taken > 0 for taken in micros.values())
    assert {"encode an event", "decode an entry", "script call: append one event"} <= set(micros)


@pytest.mark.skipif(callgrind.program() is None, reason="counting needs valgrind on the path")
def test_instructions_of_a_server_are_counted(tmp_path: Path) -> None:
    with (
        callgrind.CountedValkey(tmp_path / "valkey", port=0) as valkey,
        redis.Redis.from_url(valkey.url) as client,
    ):
        client.rpush("numbers", *range(1000))
        one = valkey.instructions(lambda _: client.lrange("numbers", 0, 0), 50)
        thousand = valkey.instructions(lambda _: client.lrange("numbers", 0, -1), 50)
    assert 1000 < one < 100_000
    assert thousand > 2 * one


def test_pictures_are_well_formed(out: Path) -> None:
    pictures = sorted(path.name for path in out.glob("*.svg"))
    assert "bench-ratios.svg" in pictures
    for name in pictures:
        root = ET.parse(out / name).getroot()  # noqa: S314 - we wrote it ourselves
        assert root.tag.endswith("svg")


def test_a_peer_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    (tmp_path / "dbos.py").write_text("raise ImportError('no such peer')\n")
    command = [sys.executable, "-m", "bench.contenders", "dbos_steps"]
    environ = {"POSTGRES_URL": "", "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    assert json.loads(done.stdout) == {"missing": "ImportError: no such peer"}


def test_a_row_that_could_not_be_measured_says_so() -> None:
    aim = Aim(4, "some", "something", "", "µs", at_most(1))
    lines = list(ratio_lines([aim.missing("the server is away")]))
    assert "not measured" in lines[-1]
    assert "the server is away" in lines[-1]


def test_no_contender_is_no_error() -> None:
    assert "Everybody took part." in list(contender_lines([]))


@pytest.mark.parametrize(
    ("limit", "ratio", "is_met"),
    [(at_most(1.2), 1.2, True), (at_most(1.2), 1.3, False), (at_least(0.9), 0.8, False)],
)
def test_a_limit_decides(limit: Any, ratio: float, *, is_met: bool) -> None:
    row = Aim(1, "some", "something", "other", "µs", limit).row("", [ratio] * 3, [1.0] * 3)
    assert row.met is is_met


def counted(figures: list[float], calls: list[str], name: str) -> Callable[[], float]:
    numbers = iter(figures)

    def side() -> float:
        calls.append(name)
        return next(numbers)

    return side


def test_sides_take_turns_until_the_spread_is_smaller_than_the_margin() -> None:
    calls: list[str] = []
    ours, theirs = compared(
        counted([3.0, 1.0, 1.1, 1.1, 1.1, 1.1, 1.1, 9.0], calls, "A"),
        counted([1.0] * 8, calls, "B"),
        at_most(1.5),
        Pace(2, 100, float("inf")),
    )
    assert calls == ["A", "B"] * len(ours)
    assert 2 < len(ours) < 8
    assert len(theirs) == len(ours)
    assert Spread.of(ours).decides(at_most(1.5))


def test_plain_sockets_count_every_reply(tmp_path: Path) -> None:
    with Valkey(tmp_path / "valkey", port=0) as valkey, Sockets(valkey.url, 5) as sockets:
        add = b"*5\r\n$4\r\nXADD\r\n$1\r\ns\r\n$1\r\n*\r\n$1\r\nf\r\n$1\r\nv\r\n"
        sockets.send(add, 100)
        sockets.send(add, 96, 4)
        length = b"*2\r\n$4\r\nXLEN\r\n$1\r\ns\r\n"
        one = next(iter(sockets.connections))
        one.sendall(length)
        assert one.recv(100) == b":196\r\n"
