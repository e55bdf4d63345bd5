"""Whatever is imported is declared where it is imported, and every lower bound is said."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
OWN = {"checkpoint", "examples", "bench", "query", "tests", "chaos"}
DECLARED_FOR = {
    "events": ("tracing",),
    "projector": (),
    "snapshotter": (),
    "query": (),
    "checkpoint": ("parquet", "metrics", "tracing"),
    "examples": ("example",),
    "bench": ("embedded", "bench", "metrics"),
    "docs": ("embedded", "docs", "test"),
    "tests": ("test",),
}
"""The extras that go with each folder, beside what is always installed."""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def named(requirement: str) -> str:
    """Return the distribution that a requirement is of."""
    return normal(re.split(r"[\s\[<>=!~;]", requirement, maxsplit=1)[0])


def requirements(extras: Iterable[str]) -> Iterator[str]:
    """Yield what is declared, the project's own extras unfolded."""
    for requirement in [
        *PROJECT["dependencies"],
        *(one for name in extras for one in EXTRAS[name]),
    ]:
        if named(requirement) == normal(PROJECT["name"]):
            yield from requirements(re.findall(r"[\w-]+", requirement.partition("[")[2]))
        else:
            yield requirement


def imported(folder: str) -> set[str]:
    """Return the outermost names of what the modules below a folder import from elsewhere."""
    names, local = set[str](), {path.stem for path in (ROOT / folder).rglob("*.py")}
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names - sys.stdlib_module_names - OWN - local


@pytest.mark.parametrize("folder", DECLARED_FOR)
def test_what_is_imported_is_declared(folder: str) -> None:
    declared = {named(one) for one in requirements(DECLARED_FOR[folder])}
    installed = metadata.packages_distributions()

    def is_declared(name: str) -> bool:
        if name in installed:
            return not declared.isdisjoint(map(normal, installed[name]))
        return any(one.startswith(normal(name)) for one in declared)

    assert {name for name in imported(folder) if not is_declared(name)} == set()


def test_imports_and_names_are_understood() -> None:
    assert {"hiredis", "yarl", "mode", "faust", "redis"} <= imported("events")
    assert named("psycopg[binary]>=3.2 ; x") == "psycopg"
    assert "numpy" in {named(one) for one in requirements(["test"])}


def test_every_requirement_has_a_lower_bound() -> None:
    everything = {one for extra in EXTRAS for one in requirements([extra])}
    assert [one for one in everything if ">=" not in one] == []
