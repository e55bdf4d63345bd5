"""A run: all ratios, the contest, the hot functions; what fails is named and the rest goes on."""

import time
import tomllib
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

from msgspec.structs import replace

from .contest import contest
from .machine import machine, versions
from .micro import measure as measure_micro
from .plan import Plan
from .ratios import RATIOS
from .report import Results, figure, plain, verdict
from .row import Row
from .servers import Bench, started

Tell = Callable[[str], None]

PARTS = (*(ratio.__name__.rpartition(".")[2] for ratio in RATIOS), "peers", "micro")
"""What a run is made of: the ratios, in their order, and what comes after them."""


def run(plan: Plan, tell: Tell, only: Collection[str] = PARTS) -> Results:
    """Measure everything, or only some parts; `tell` hears of each row as soon as it is there."""
    begun, began = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
    with started(plan) as bench:
        known, found = versions(bench), machine()
        rows = []
        for ratio in RATIOS:
            asked = ratio.__name__.rpartition(".")[2] in only
            for row in _measured(ratio, bench) if asked else _left_out(ratio):
                rows.append(row)
                tell(line(row))
        contenders, micro = [], []
        if "peers" in only:
            tell("the contenders take turns …")
            contenders = list(contest(bench))
            bench.clean()
        if "micro" in only:
            tell("the hot functions and scripts …")
            micro = measure_micro(bench)
    return Results(
        plan=plan.name,
        began=began,
        seconds=time.monotonic() - begun,
        machine=found,
        versions=known,
        rows=rows,
        contenders=contenders,
        micro=micro,
    )


def line(row: Row) -> str:
    """Write a row for the terminal."""
    if row.missing or row.judged is None:
        return f"{row.number:2} {row.what}: not measured: {row.missing}"
    beside = f" x {row.beside}" if row.beside else f" {row.unit}"
    wanted = f", wanted {row.limit}: {verdict(row).replace('*', '')}" if row.limit else ""
    figures = f"{figure(row.ours, row.unit)}" if row.beside else f"{row.rounds} rounds"
    return f"{row.number:2} {row.what}: {plain(row.judged.middle)}{beside} ({figures}){wanted}"


def _measured(ratio: ModuleType, bench: Bench) -> Iterator[Row]:
    """Yield a row for each aim of a ratio, whatever happens."""
    reasons = _reasons()
    open_aims = {aim.key: aim for aim in ratio.AIMS}
    why = "it was not come to"
    try:
        for row in ratio.measure(bench):
            del open_aims[row.key]
            yield row if row.met is not False else replace(row, reason=reasons.get(row.key, ""))
    except Exception as error:  # noqa: BLE001 - one that fails must not hide the others
        why = f"{type(error).__name__}: {error}"
    for aim in open_aims.values():
        yield aim.missing(why)
    bench.clean()


def _left_out(ratio: ModuleType) -> Iterator[Row]:
    for aim in ratio.AIMS:
        yield aim.missing("it was not asked for")


def _reasons() -> dict[str, str]:
    return tomllib.loads(Path(__file__).with_name("reasons.toml").read_text(encoding="utf-8"))
