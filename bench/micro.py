"""The hot functions, one by one: time per call, and instructions where callgrind is installed."""

import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from msgspec import Struct

from checkpoint import CheckpointManager

from .hot import FUNCTIONS
from .servers import Bench
from .workload import DATA, STAGES, job_name

ROUNDS, CALLS = 7, 5000
FEW, MANY = 100, 5100
"""Calls under callgrind: the difference of two runs leaves out the start."""


class Micro(Struct, kw_only=True):
    """What one call of a hot function costs."""

    function: str
    micros: float
    """Median of some thousand calls."""
    instructions: float | None = None
    """By callgrind, in thousands."""
    note: str = ""


def measure(bench: Bench) -> Iterator[Micro]:
    """Measure all, and the scripts by the server's own account."""
    for name, function in FUNCTIONS.items():
        yield Micro(function=name, micros=_micros(function))
    yield from _scripts(bench)


def with_instructions(measured: list[Micro]) -> None:
    """Add what callgrind counts; a note says where there is none."""
    valgrind = shutil.which("valgrind")
    for one in measured:
        if one.function in FUNCTIONS and not valgrind:
            one.note = "instructions: valgrind is not installed"
    if not valgrind:
        return
    names = [one.function for one in measured if one.function in FUNCTIONS]
    with TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as threads:

        def count(name: str, calls: int) -> int:
            out = Path(folder, f"{list(FUNCTIONS).index(name)}-{calls}")
            return _instructions(valgrind, name, calls, out)

        few = threads.map(lambda name: count(name, FEW), names)
        many = threads.map(lambda name: count(name, MANY), names)
        counted = dict(zip(names, zip(few, many, strict=True), strict=True))
    for one in measured:
        if one.function in counted:
            before, after = counted[one.function]
            one.instructions = (after - before) / (MANY - FEW) / 1000


def _micros(function: Callable[[], Any]) -> float:
    rounds = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for _ in range(CALLS):
            function()
        rounds.append((time.perf_counter() - begun) / CALLS * 1e6)
    return statistics.median(rounds)


def _scripts(bench: Bench) -> Iterator[Micro]:
    """Make calls, and read what the server says that its script took, without the way there."""
    calls = bench.plan.calls
    with CheckpointManager(bench.settings("micro")) as manager, bench.redis() as client:

        def script_micros(call: Callable[[int], object]) -> float:
            call(0)
            client.config_resetstat()
            for number in range(calls):
                call(number)
            return float(client.info("commandstats")["cmdstat_evalsha"]["usec_per_call"])

        saved = script_micros(lambda n: manager.save(job_name(n // 8), STAGES[n % 8], DATA))
        eight = max(1, calls // 8)
        found = script_micros(lambda n: manager.get_resume_point(job_name(n % eight)))
    note = "mean, by INFO commandstats"
    yield Micro(function="script call: append one event", micros=saved, note=note)
    yield Micro(function="script call: read a job, eight entries", micros=found, note=note)


def _instructions(valgrind: str, name: str, calls: int, out: Path) -> int:
    callgrind = [valgrind, "--tool=callgrind", f"--callgrind-out-file={out}"]
    command = [sys.executable, "-m", "bench.hot", name, str(calls)]
    environ = {**os.environ, "PYTHONHASHSEED": "0"}
    subprocess.run([*callgrind, *command], env=environ, capture_output=True, check=True)
    found = re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.MULTILINE)
    return int(found[1]) if found else 0
