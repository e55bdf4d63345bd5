# ruff: noqa: T201  # it prints how the runs ended
"""Run unit and integration tests with every Python that is here, on old and new dependencies.

    python tests/matrix.py

Each run has a virtual environment of its own. `lowest` has the oldest versions that pyproject.toml
admits, of those that have wheels for that Python, and `newest` has the newest of everything. The
Python that this script runs under has no newest run: it is the one that `make test` is.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "build" / "matrix"
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
THIS = f"{sys.version_info[0]}.{sys.version_info[1]}"
EXTRAS = ("embedded", "example", "parquet", "metrics", "tracing")
UV = (sys.executable, "-m", "uv", "--quiet")
TESTS = ("tests/unit", "tests/integration", "--quiet", "--numprocesses=4", "--dist=loadfile")
SUMMARY = re.compile(r"^=*\s*(\d+ \w+(?:, \d+ \w+)*) in [\d.]+s", re.MULTILINE)


class Run(NamedTuple):
    """One run of the tests."""

    version: str
    python: Path
    kind: str

    @property
    def name(self) -> str:
        return f"{self.version}-{self.kind}"


def main() -> int:
    """Do all runs, each with one closing line; return 1 if one of them failed."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    return int(not all([done(run) for run in runs()]))  # noqa: C419 - the others run, too


def runs() -> Iterator[Run]:
    """Yield the runs that this machine can do."""
    for version in VERSIONS:
        python = next(filter(None, map(working, candidates(version))), None)
        if python is None:
            print(f"matrix {version}: this machine has no Python {version}", flush=True)
            continue
        yield Run(version, python, "lowest")
        if version != THIS:
            yield Run(version, python, "newest")


def candidates(version: str) -> Iterator[tuple[str, Path]]:
    """Yield where a Python of this version may be, with the version."""
    if version == THIS:
        yield version, Path(sys.executable)
    if found := shutil.which(f"python{version}"):
        yield version, Path(found)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for kept in sorted(pyenv.glob(f"versions/{version}.*/bin/python"), reverse=True):
        yield version, kept
    for folder in ("/usr/local/bin", "/usr/bin"):
        yield version, Path(folder, f"python{version}")


def working(candidate: tuple[str, Path]) -> Path | None:
    """Return the Python if it is one: pyenv has commands for versions that are not selected."""
    version, path = candidate
    program = "import ssl, sqlite3, ctypes, sys; print('%d.%d' % sys.version_info[:2])"
    try:
        said = subprocess.run([path, "-c", program], capture_output=True, check=False).stdout
    except OSError:
        return None
    return path if said.decode().strip() == version else None


def done(run: Run) -> bool:
    """Make the environment of a run, test in it, print one line; say whether all went well."""
    begun = time.monotonic()
    try:
        said, is_well = tested(run, installed(run)), True
    except subprocess.CalledProcessError as failed:
        said, is_well = f"{failed.stdout}\nfailed: {failed.cmd}", False
        print(said)
    (FOLDER / f"{run.name}.log").write_text(said, encoding="utf-8")
    ended = (SUMMARY.findall(said) or ["0 passed"])[-1]
    print(f"matrix-{run.name}: {ended}", flush=True)
    print(f"  {run.python}, {(time.monotonic() - begun) / 60:.1f} minutes", flush=True)
    return is_well


def installed(run: Run) -> Path:
    """Make the virtual environment of a run; return its Python."""
    folder = FOLDER / run.name
    call(*UV, "venv", "--clear", "--python", run.python, folder)
    python = folder / "bin" / "python"
    into = (*UV, "pip", "install", "--python", python, "--editable", ".[test]")
    call(*into, *(("--constraints", lowest(run)) if run.kind == "lowest" else ("--upgrade",)))
    return python


def lowest(run: Run) -> Path:
    """Write down the oldest versions of what the product needs itself; the tests' tools are new."""
    constraints = FOLDER / f"{run.name}.txt"
    constraints.unlink(missing_ok=True)
    extras = [word for extra in EXTRAS for word in ("--extra", extra)]
    resolve = ("pip", "compile", "--resolution", "lowest-direct", "--only-binary", ":all:")
    where = ("--python", run.python, "--output-file", constraints)
    call(*UV, *resolve, *where, *extras, "pyproject.toml")
    return constraints


def tested(run: Run, python: Path) -> str:
    """Run the tests; return what was printed."""
    return call(python, "-m", "pytest", *TESTS, "-o", f"cache_dir={FOLDER / run.name}.cache")


def call(*command: str | Path) -> str:
    """Run a command in the project's folder and return what it prints; CalledProcessError."""
    words: Sequence[str] = [str(word) for word in command]
    done = subprocess.run(
        words,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=True,
    )
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
