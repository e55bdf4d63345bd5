import fcntl
from pathlib import Path

import pytest

from checkpoint.events.endpoints import default_folder, running_endpoints


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "endpoints.env").write_text("REDIS_URL=unix:///a%3Db?c=d\nUP_PID=7\n")
    return tmp_path


def test_endpoints_are_those_of_the_holder_of_the_lock(folder: Path) -> None:
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert running_endpoints(folder) == {"REDIS_URL": "unix:///a%3Db?c=d", "UP_PID": "7"}


def test_what_a_killed_up_left_is_not_believed(folder: Path) -> None:
    (folder / "lock").touch()
    assert running_endpoints(folder) is None


def test_no_folder_means_that_none_runs(tmp_path: Path) -> None:
    assert running_endpoints(tmp_path / "none") is None


def test_looking_leaves_the_lock_free(folder: Path) -> None:
    (folder / "lock").touch()
    running_endpoints(folder)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_default_folder_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_folder() == Path("/data/checkpoint")


@pytest.mark.parametrize("unusable", ["", "relative/path"])
def test_the_default_folder_without_xdg_is_in_the_home(
    monkeypatch: pytest.MonkeyPatch, unusable: str
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", unusable)
    monkeypatch.setenv("HOME", "/home/ada")
    assert default_folder() == Path("/home/ada/.local/share/checkpoint")


def test_the_default_folder_is_where_endpoints_are_looked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "checkpoint").symlink_to(folder)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert (running_endpoints() or {})["UP_PID"] == "7"
