"""A pipeline, the workers and the command line in a locale that knows nothing but ASCII."""

import os
import subprocess
import sys

import pytest
from processes import environ, eventually, worker
from real_log import RealLog

from checkpoint import CheckpointManager, Settings

ASCII_ONLY = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
JOB = "fête 東京"
PIPELINE = f"""
import locale, sys
from checkpoint import CheckpointManager
assert locale.getencoding() == "ANSI_X3.4-1968", locale.getencoding()
with CheckpointManager() as manager:
    manager.save({JOB!a}, "cut", {{"of": {JOB!a}}}, ack="durable")
    assert manager.load({JOB!a}, "cut") == {{"of": {JOB!a}}}
"""


@pytest.fixture
def environment(archived_log: RealLog, archived_settings: Settings) -> dict[str, str]:
    assert archived_log
    return environ(archived_settings, **ASCII_ONLY)


def test_everything_works_and_says_what_it_can(
    environment: dict[str, str], archived_settings: Settings
) -> None:
    there = {**os.environ, **environment}
    with worker("projector", environment), worker("snapshotter", environment):
        subprocess.run([sys.executable, "-c", PIPELINE], env=there, check=True)
        with CheckpointManager(archived_settings) as manager:
            assert manager.load(JOB, "cut") == {"of": JOB}
            eventually(lambda: manager.get_job_progress(JOB)["source"] == "view")
    for command in (["jobs"], ["doctor"], ["--help"], ["replay"]):
        done = subprocess.run(
            [sys.executable, "-m", "checkpoint", *command],
            env=there,
            capture_output=True,
            check=False,
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        assert done.stdout
