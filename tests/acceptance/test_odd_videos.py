"""Videos that are not like others: each is edited, or refused with a sentence."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from films import Film, Tone, turned, with_empty_packets
from isolation import remove_namespace
from processes import environ
from rich.console import Console
from servers import Servers

from checkpoint import CheckpointManager, Settings
from examples.video_editor import transcription
from examples.video_editor.__main__ import main
from examples.video_editor.editor import VideoEditor
from examples.video_editor.errors import NotAVideoError
from examples.video_editor.media import audible_track, pictures, sound
from examples.video_editor.terminal import Terminal
from examples.video_editor.validation import Validation, validate

SILENT, SOFT, LOUD = Tone(level=0.0), Tone(level=0.01), Tone(level=0.3)


@pytest.fixture(scope="module")
def settings(servers: Servers) -> Iterator[Settings]:
    """Yield settings for a log of this module's own, without an archive."""
    namespace = f"test_{uuid4().hex[:16]}"
    yield Settings(redis_url=servers.redis_url, namespace=namespace)
    remove_namespace(servers.redis_url, namespace)


@pytest.fixture(scope="module")
def manager(settings: Settings) -> Iterator[CheckpointManager]:
    with CheckpointManager(settings) as manager:
        yield manager


def with_empty_ones(path: Path) -> Path:
    source = Film(codec="mpeg4", tones=(LOUD,)).write(path.with_suffix(".source"))
    return with_empty_packets(source, path, range(10, 20))


def cut_short(path: Path) -> Path:
    whole = Film().write(path).read_bytes()
    path.write_bytes(whole[: len(whole) * 7 // 10])
    return path


def mirrored(path: Path) -> Path:
    return turned(Film(format="mov", codec="mpeg4").write(path), (0, 1, 1, 0))


def with_foreign_sound(path: Path) -> Path:
    content = Film(tones=(replace(LOUD, codec="aac"),)).write(path).read_bytes()
    path.write_bytes(content.replace(b"A_AAC", b"A_ZZZ"))
    return path


EDITED: dict[str, tuple[Callable[[Path], Path], tuple[int, int], bool]] = {
    "empty packets": (with_empty_ones, (160, 120), True),
    "cut short": (cut_short, (160, 120), True),
    "mirrored on its side": (mirrored, (120, 160), True),
    "unknown sound": (with_foreign_sound, (160, 120), False),
    "six channels": (Film(tones=(Tone(layout="5.1", codec="flac"),)).write, (160, 120), True),
    "silent track first": (Film(tones=(SILENT, LOUD)).write, (160, 120), True),
    "cover first": (Film(format="avi", codec="mpeg4", cover=True).write, (160, 120), True),
    "cover marked": (Film(format="mp4", tones=(), cover=True).write, (160, 120), False),
    "no duration": (Film(options={"live": "1"}).write, (160, 120), True),
    "uneven": (Film(times=(0, 1, 2, 20, 21, 29)).write, (160, 120), True),
    "tiny": (Film(codec="ffv1", pixels="yuv444p", size=(1, 1)).write, (2, 2), True),
    "animation": (
        Film(format="gif", codec="gif", pixels="rgb8", tones=()).write,
        (160, 120),
        False,
    ),
}


@pytest.mark.parametrize("name", EDITED)
def test_it_is_edited(manager: CheckpointManager, tmp_path: Path, name: str) -> None:
    make, size, is_heard = EDITED[name]
    show = Terminal(Console(file=StringIO()))
    source = make(tmp_path / "film")
    result = VideoEditor(manager, name, source, tmp_path / "out", show).run()
    shown = [frame for _, frame in pictures(result)]
    assert {(frame.width, frame.height) for frame in shown} == {size}
    assert len(shown) > 10
    peaks = [float(np.abs(block).max()) for block in sound(result, layout="stereo")]
    assert (max(peaks, default=0.0) > 0.01) == is_heard


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no time stamps": (Film(format="h264", tones=()).write, "has no time stamps"),
    "one picture": (Film(pictures=1, tones=()).write, "holds a single picture"),
    "index lost": (
        lambda path: lose_the_end(Film(format="mp4", tones=()).write(path)),
        "cut short",
    ),
    "unknown pictures": (lambda path: lose_the_codec(Film().write(path)), "does not know"),
}


def lose_the_end(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-200])
    return path


def lose_the_codec(path: Path) -> Path:
    path.write_bytes(path.read_bytes().replace(b"V_MPEG4/ISO/AVC", b"V_NOBODY/KNOWS/"))
    return path


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_a_sentence(tmp_path: Path, name: str) -> None:
    make, sentence = REFUSED[name]
    with pytest.raises(NotAVideoError, match=sentence):
        probed(make(tmp_path / "film"))


def probed(path: Path) -> Validation:
    return validate(path, lambda _: None)


@pytest.mark.parametrize(
    ("tones", "track"),
    [
        ((), None),
        ((SILENT,), 1),
        ((SILENT, LOUD), 2),
        ((SILENT, SILENT), 1),
        ((SILENT, SILENT, SOFT), 3),
        ((SOFT, replace(LOUD, is_default=True)), 2),
        ((SOFT, replace(SILENT, is_default=True)), 1),
        ((Tone(level=1e-5), SOFT), 2),
    ],
)
def test_the_default_track_is_heard_unless_it_is_silent(
    tmp_path: Path, tones: tuple[Tone, ...], track: int | None
) -> None:
    path = Film(codec="mpeg4", tones=tones, options={"default_mode": "passthrough"}).write(
        tmp_path / "film"
    )
    assert audible_track(path) == probed(path).sound_track == track


def test_a_stage_that_libav_cannot_do_is_named(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ(settings).items():
        monkeypatch.setenv(name, value)
    source = Film(codec="ffv1", size=(20_000, 2), tones=(), pictures=2).write(tmp_path / "film")
    output = StringIO()
    monkeypatch.setattr("sys.stdout", output)
    assert main([str(source), "--job", "wide", "--out", str(tmp_path / "out")]) == 1
    last = output.getvalue().splitlines()[-1]
    assert last.startswith(f"failed: editing of {source} is not possible (")
    assert "convert it" in last


def test_where_there_is_no_pocketsphinx_it_is_said_and_all_else_done(
    manager: CheckpointManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcription, "pocketsphinx", None)
    output = StringIO()
    show = Terminal(Console(file=output, width=500))
    source = Film().write(tmp_path / "film")
    result = VideoEditor(manager, "unheard", source, tmp_path / "out", show).run()
    assert result.is_file()
    assert (tmp_path / "out" / "transcription.json").read_bytes() == b"[]"
    (said,) = (one for one in output.getvalue().splitlines() if "PocketSphinx" in one)
    assert "pip install pocketsphinx" in said
    data = manager.load("unheard", "transcription")
    assert (data["words"], data["missing"]) == (0, transcription.MISSING)
