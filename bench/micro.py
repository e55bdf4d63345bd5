"""The hot functions and scripts: time per call, and instructions where callgrind is installed."""

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from msgspec import Struct

from . import callgrind, script_calls
from .hot import FUNCTIONS
from .servers import Bench

ROUNDS, CALLS = 7, 5000
FEW, MANY = 100, 5100
"""Calls under callgrind: the difference of two runs leaves out the start."""


class Micro(Struct, kw_only=True):
    """What one call of a hot function costs."""

    function: str
    micros: float
    """Median of some thousand calls; of what the server does, the mean."""
    instructions: float | None = None
    """By callgrind."""
    note: str = ""


def measure(bench: Bench) -> list[Micro]:
    """Time all, and count their instructions if the plan has time for that."""
    micros = {name: _micros(function) for name, function in FUNCTIONS.items()}
    of_server = dict(script_calls.micros(bench))
    counted: dict[str, float] = {}
    note = ""
    if bench.plan.counts_instructions:
        if callgrind.program():
            counted = dict(chain(_instructions(), script_calls.instructions(bench)))
        else:
            note = "instructions: valgrind is not installed"
    return [
        Micro(function=name, micros=taken, instructions=counted.get(name), note=said or note)
        for known, said in ((micros, ""), (of_server, "in the server, by INFO commandstats"))
        for name, taken in known.items()
    ]


def _micros(function: Callable[[], Any]) -> float:
    rounds = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for _ in range(CALLS):
            function()
        rounds.append((time.perf_counter() - begun) / CALLS * 1e6)
    return statistics.median(rounds)


def _instructions() -> Iterator[tuple[str, float]]:
    with TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as threads:

        def count(name: str, calls: int) -> int:
            out = Path(folder, f"{list(FUNCTIONS).index(name)}-{calls}")
            return callgrind.instructions(
                [sys.executable, "-m", "bench.hot", name, str(calls)], out
            )

        few = threads.map(lambda name: count(name, FEW), FUNCTIONS)
        many = threads.map(lambda name: count(name, MANY), FUNCTIONS)
        for name, before, after in zip(FUNCTIONS, few, many, strict=True):
            yield name, (after - before) / (MANY - FEW)
