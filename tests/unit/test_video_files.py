"""Files of the video editor: written whole or not at all, trusted only as they were recorded."""

from pathlib import Path

import pytest

from examples.video_editor.files import StoredFile, fault, published, record, write_json


def test_a_published_file_appears_under_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "film.mov"
    with published(target) as unfinished:
        unfinished.write_bytes(b"half")
        assert not target.exists()
        assert unfinished.parent == tmp_path
        unfinished.write_bytes(b"whole")
    assert target.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [target]


def test_a_failure_leaves_the_file_before_and_nothing_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "film.mov"
    target.write_bytes(b"old")

    def fail_halfway() -> None:
        with published(target) as unfinished:
            unfinished.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_halfway()
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_what_a_killed_run_left_half_written_is_in_nobody_s_way(tmp_path: Path) -> None:
    target = tmp_path / "film.mov"
    (tmp_path / "unfinished-film.mov").write_bytes(b"x" * 1000)
    with published(target) as unfinished:
        unfinished.write_bytes(b"whole")
    assert target.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [target]


def test_a_record_has_size_and_sum_and_its_progress_ends_at_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    told: list[float] = []
    stored = record(path, told.append)
    assert stored.size == 3
    assert stored.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert told[-1] == 1.0
    assert fault(stored) is None


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(None, "is gone"), (b"ab", "has 2 bytes, not the 3 on record"), (b"abd", "SHA-256 differs")],
)
def test_a_fault_is_named(tmp_path: Path, content: bytes | None, complaint: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    stored = record(path)
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    said = fault(stored)
    assert said is not None
    assert complaint in said
    assert str(path) in said


def test_a_file_that_was_moved_is_checked_where_it_is_now(tmp_path: Path) -> None:
    before, now = tmp_path / "before", tmp_path / "now"
    before.write_bytes(b"abc")
    stored = record(before)
    before.rename(now)
    assert fault(stored, now) is None


def test_json_is_published(tmp_path: Path) -> None:
    path = tmp_path / "words.json"
    stored = write_json(path, [1.5, "a"])
    assert path.read_bytes() == b'[1.5,"a"]'
    assert stored == StoredFile(str(path.resolve()), 9, stored.sha256)
