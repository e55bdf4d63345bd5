"""Imports go one way, and the heavy libraries are imported where they are needed only."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("events", "projector", "snapshotter", "query", "checkpoint")
MAY_IMPORT = {
    "events": {"events"},
    "projector": {"events", "projector"},
    "snapshotter": {"events", "snapshotter"},
    "query": {"events", "projector", "snapshotter", "query"},
    "checkpoint": set(FOLDERS),
}
QUERY_MAY_IMPORT = {
    "": {""},
    "history": {"", "history", "listing"},
    "listing": {"", "history", "listing"},
    "verify": {"", "verify"},
}
"""By the subpackage of query/; "" are the modules at its top."""
FAUST_IN = {
    "projector/app.py",
    "snapshotter/app.py",
    "checkpoint/worker.py",
    "events/transport.py",
    "events/consumer.py",
    "events/producer.py",
    "events/fixup.py",
}
MODULES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Yield the full names of what a module imports, wherever in it."""
    folder, *rest = path.relative_to(ROOT).with_suffix("").parts
    package = ["checkpoint", *([] if folder == "checkpoint" else [folder]), *rest[:-1]]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def layer(name: str) -> str | None:
    """Return the folder that a module of this project lives in; None for what is not ours."""
    top, _, rest = name.partition(".")
    if top != "checkpoint":
        return None
    first = rest.partition(".")[0]
    return first if first in FOLDERS else "checkpoint"


def importers(library: str) -> set[str]:
    return {
        str(path.relative_to(ROOT))
        for path in MODULES
        if any(name.partition(".")[0] == library for name in imports(path))
    }


@pytest.mark.parametrize("folder", FOLDERS)
def test_imports_go_one_way(folder: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in MODULES
        if path.relative_to(ROOT).parts[0] == folder
        for name in imports(path)
        if (found := layer(name)) and found not in MAY_IMPORT[folder]
    ]
    assert wrong == []


@pytest.mark.parametrize("part", QUERY_MAY_IMPORT)
def test_the_parts_of_query_import_one_another_as_they_may(part: str) -> None:
    modules = [*(ROOT / "query" / part).glob("*.py")]
    found = {
        query_part(name)
        for path in modules
        for name in imports(path)
        if name.startswith("checkpoint.query.")
    }
    assert modules
    assert found <= QUERY_MAY_IMPORT[part]


def query_part(name: str) -> str:
    """Return the subpackage of query/ that an import is from, "" for a module at its top."""
    part = name.split(".")[2]
    return part if (ROOT / "query" / part).is_dir() else ""


def test_every_part_of_query_has_its_rule() -> None:
    parts = {path.parent.name for path in (ROOT / "query").glob("*/__init__.py")}
    assert parts | {""} == set(QUERY_MAY_IMPORT)


def test_every_folder_has_modules() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in MODULES} == set(FOLDERS)


def test_relative_imports_are_understood() -> None:
    assert "checkpoint.events.errors.InvalidName" in set(imports(ROOT / "events/names.py"))
    assert layer("checkpoint.core.Core") == "checkpoint"


def test_faust_is_imported_by_the_apps_and_the_transport_only() -> None:
    assert importers("faust") | importers("mode") <= FAUST_IN


def test_psycopg_is_imported_by_the_snapshotter_only() -> None:
    allowed = {"checkpoint/embedded/postgres.py"}  # asks a server that it starts if it is ready
    outside = {one for one in importers("psycopg") if not one.startswith("snapshotter/")}
    assert outside <= allowed


def test_nothing_is_pickled() -> None:
    assert importers("pickle") | importers("marshal") | importers("shelve") == set()


@pytest.mark.parametrize("folder", ["events", "projector", "snapshotter", "query"])
def test_the_lower_layers_know_no_stage_of_the_video_pipeline(folder: str) -> None:
    from checkpoint import SmartVideoEditorCheckpoint  # noqa: PLC0415 - the names are looked up

    stages = set(SmartVideoEditorCheckpoint.pipeline.stages)
    for path in (ROOT / folder).rglob("*.py"):
        constants = {
            node.value
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant)
        }
        assert not constants & stages, path
