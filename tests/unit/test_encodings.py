"""Text files and the output of programs are read and written in UTF-8, whatever the locale is."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("events", "projector", "snapshotter", "query", "checkpoint", "examples", "bench", "docs")
MODULES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
OPENS = {"open", "fdopen", "TextIOWrapper", "NamedTemporaryFile", "TemporaryFile"}
OTHERS = {"av", "block", "core", "Line", "Wire", "os", "self"}
"""What has a method `open` that opens no text file."""


def opens_text(call: ast.Call) -> bool:
    """Say whether a call reads or writes text, as far as it can be seen where it is made."""
    words = {word.arg: word.value for word in call.keywords}
    match call.func:
        case ast.Attribute(attr="read_text" | "write_text"):
            return True
        case ast.Attribute(value=ast.Name(id=owner), attr="open") if owner in OTHERS:
            return False
        case ast.Attribute(attr=name) | ast.Name(id=name) if name in OPENS:
            given = [words.get("mode"), *call.args]
            modes = [one.value for one in given if isinstance(one, ast.Constant)]
            return not any(re.fullmatch("[rwax+]*b[rwax+]*", str(mode)) for mode in modes)
        case _:
            flags = (words.get("text"), words.get("universal_newlines"))
            return any(isinstance(flag, ast.Constant) and flag.value is True for flag in flags)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_whoever_opens_text_names_its_encoding(path: Path) -> None:
    calls = (
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    )
    unnamed = [
        f"line {call.lineno}: {ast.unparse(call)}"
        for call in calls
        if opens_text(call) and "encoding" not in {word.arg for word in call.keywords}
    ]
    assert unnamed == []


@pytest.mark.parametrize(
    ("call", "is_text"),
    [
        ("path.read_text()", True),
        ("open('x')", True),
        ("path.open('a+')", True),
        ("path.open('rb')", False),
        ("os.fdopen(1, 'wb')", False),
        ("os.open('x', 0)", False),
        ("Popen(command, text=True)", True),
        ("Popen(command)", False),
    ],
)
def test_text_is_told_from_bytes(call: str, is_text: bool) -> None:
    parsed = ast.parse(call, mode="eval").body
    assert isinstance(parsed, ast.Call)
    assert opens_text(parsed) == is_text


LOADED = """
import warnings
warnings.filterwarnings("error", category=EncodingWarning, module="checkpoint")
from importlib.resources import files
from checkpoint.events.script import Script
from checkpoint.snapshotter import schema
for package in ("checkpoint", "checkpoint.events", "checkpoint.projector"):
    for file in files(package).joinpath("lua").iterdir():
        script = Script.load(package, file.name.removesuffix(".lua"))
        print(script.name, script.sha, script.for_log("films").sha)
print(sorted(schema.migrations()), len(schema.query("create_schema")))
"""


def loaded(**environ: str) -> str:
    command = [sys.executable, "-X", "warn_default_encoding", "-c", LOADED]
    return subprocess.run(
        command, env=environ, capture_output=True, encoding="ascii", check=True
    ).stdout


def test_scripts_are_the_same_in_every_locale() -> None:
    plain = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    assert loaded(**plain) == loaded(PYTHONUTF8="1") != ""
