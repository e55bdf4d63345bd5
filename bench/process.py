"""Processes, seen from outside: what the kernel says of their processor time and memory."""

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
TICK = 1 / TICKS
"""Seconds: processor time is counted in steps of that."""


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process, with all its threads."""
    # the name, which may hold anything, ends with the last bracket
    fields = (
        Path(f"/proc/{pid}/stat")
        .read_text(encoding="utf-8", errors="replace")
        .rpartition(")")[2]
        .split()
    )
    user, system = fields[11:13]
    return (int(user) + int(system)) / TICKS


def resident_bytes(pid: int) -> int:
    """Return how much memory a process has."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1]) * PAGE
