"""The video editor on a real video: killed, resumed, and every output looked at and listened to."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from io import StringIO
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import av
import msgspec
import numpy as np
import pytest
from isolation import remove_namespace
from numpy.typing import NDArray
from processes import environ
from rich.console import Console
from servers import Servers

from checkpoint import CheckpointManager, Settings, SmartVideoEditorCheckpoint
from examples.video_editor.__main__ import main
from examples.video_editor.analysis import Timeline
from examples.video_editor.audio_normalization import TARGET
from examples.video_editor.color_correction import cast, histogram
from examples.video_editor.demo import KILLED_STAGE, Editor, Story, read_story
from examples.video_editor.editing import edit
from examples.video_editor.editor import OUTPUT, VideoEditor
from examples.video_editor.filters import STANDARD, PictureFilter, sound_frames
from examples.video_editor.highlight_detection import Highlights, Segment
from examples.video_editor.loudness import measured
from examples.video_editor.media import RATE, Block, pictures, sound
from examples.video_editor.movie import (
    add_pictures,
    add_sound,
    encoded,
    mux,
    writing,
)
from examples.video_editor.sample.make_sample import DURATION, SCENES, SENTENCES
from examples.video_editor.sample.make_sample import TARGET as SAMPLE
from examples.video_editor.terminal import Terminal
from examples.video_editor.transcription import Word
from examples.video_editor.validation import validate

STAGES = SmartVideoEditorCheckpoint.pipeline.stages
FINISHED = tuple(stage for stage in STAGES if STAGES.index(stage) < STAGES.index(KILLED_STAGE))
JOB = "film"


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


@pytest.fixture
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what reads the environment find this module's log."""
    for name, value in environ(settings).items():
        monkeypatch.setenv(name, value)


@dataclass(frozen=True)
class Finished:
    """A job that was killed with SIGKILL in the middle of a stage, and then run again."""

    out: Path
    killed: Story
    done: Story
    left: list[str]
    said: list[str]


@pytest.fixture(scope="module")
def finished(
    settings: Settings, manager: CheckpointManager, tmp_path_factory: pytest.TempPathFactory
) -> Finished:
    out = tmp_path_factory.mktemp("out")
    environment = {**os.environ, **environ(settings)}
    first, second = StringIO(), StringIO()
    arguments = [str(SAMPLE), "--job", JOB, "--out", str(out)]
    Editor(Console(file=first), environment, arguments).run_until_killed()
    left = [path.name for path in out.glob("unfinished-*")]
    killed = read_story(manager, JOB)
    Editor(Console(file=second, width=500), environment, arguments).run()
    return Finished(out, killed, read_story(manager, JOB), left, second.getvalue().splitlines())


def data_of(manager: CheckpointManager, stage: str) -> dict[str, object]:
    data = SmartVideoEditorCheckpoint(manager).load_stage_data(JOB, stage)
    assert isinstance(data, dict)
    return data


def test_killed_in_the_middle_of_a_stage_it_goes_on_with_that_stage(finished: Finished) -> None:
    assert tuple(finished.killed.stages) == FINISHED
    assert finished.left == ["unfinished-editing.mov"]
    assert not list(finished.out.glob("unfinished-*"))
    skipped = [line.split(":")[0].strip() for line in finished.said if "skipped" in line]
    assert tuple(skipped) == FINISHED
    assert any(f"resumes from {KILLED_STAGE}" in line for line in finished.said)


def test_the_log_shows_one_completion_of_every_stage(finished: Finished) -> None:
    assert tuple(finished.done.stages) == STAGES
    assert [done.version for done in finished.done.completions] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert finished.done.completions[: len(FINISHED)] == finished.killed.completions


def test_the_scenes_of_the_sample_are_found(finished: Finished) -> None:
    timeline = msgspec.json.decode((finished.out / "analysis.json").read_bytes(), type=Timeline)
    assert timeline.cuts == pytest.approx([end for end, _ in SCENES[:-1]], abs=0.05)
    assert len(timeline.motion) == len(timeline.loudness) == DURATION


@pytest.mark.skipif(
    find_spec("pocketsphinx") is None, reason="PocketSphinx has no wheel for this machine"
)
def test_what_is_said_is_recognised_when_it_is_said(finished: Finished) -> None:
    path = finished.out / "transcription.json"
    words = msgspec.json.decode(path.read_bytes(), type=list[Word])
    said = "".join(f"{sentence} " for sentence in SENTENCES.values()).lower()
    meant = said.replace(",", "").replace(".", "").split()
    heard = [word.text for word in words]
    assert sum(word in heard for word in meant) >= 0.75 * len(meant)
    welcome = next(word for word in words if word.text == "welcome")
    assert 2.0 < welcome.start < welcome.end < 4.0
    assert all(first.end <= second.start + 0.02 for first, second in pairwise(words))


@pytest.mark.usefixtures("finished")
def test_the_dull_scene_is_cut_out(manager: CheckpointManager) -> None:
    found = msgspec.convert(data_of(manager, "highlight_detection"), Highlights)
    dull_from, dull_until = SCENES[1][0], SCENES[2][0]
    assert found.segments
    assert not any(dull_from < s.end and s.start < dull_until for s in found.segments)


def test_the_cut_video_is_as_long_as_its_segments(
    finished: Finished, manager: CheckpointManager
) -> None:
    found = msgspec.convert(data_of(manager, "highlight_detection"), Highlights)
    total = sum(segment.end - segment.start for segment in found.segments)
    for name in ("editing.mov", "audio_normalization.mov", "color_correction.mov", OUTPUT):
        shown = list(pictures(finished.out / name))
        assert len(shown) == round(total * 25), name
        assert shown[-1][0] == pytest.approx(total - 1 / 25, abs=0.001), name
        heard = sum(block.shape[1] for block in sound(finished.out / name, layout="stereo"))
        assert heard / RATE == pytest.approx(total, abs=0.05), name


def test_the_sound_is_brought_to_its_loudness(finished: Finished) -> None:
    before = measured(sound_frames(sound(finished.out / "editing.mov", layout="stereo")))
    after = measured(sound_frames(sound(finished.out / OUTPUT, layout="stereo")))
    assert before.integrated is not None
    assert before.integrated < TARGET - 10
    assert after.integrated == pytest.approx(TARGET, abs=1.0)
    assert after.true_peak is not None
    assert after.true_peak <= -1.0


def test_the_colour_cast_is_taken_out(finished: Finished) -> None:
    before = cast(histogram(frame for _, frame in pictures(finished.out / "editing.mov")))
    after = cast(histogram(frame for _, frame in pictures(finished.out / OUTPUT)))
    assert before > 40
    assert after < before / 3


def test_the_finished_video_can_be_played_while_it_loads(finished: Finished) -> None:
    boxes = [name for name, _ in boxes_of((finished.out / OUTPUT).read_bytes())]
    assert boxes.index(b"moov") < boxes.index(b"mdat")
    with av.open(str(finished.out / OUTPUT)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert container.streams.video[0].pix_fmt == "yuv420p"
        assert container.streams.audio[0].codec_context.name == "aac"


def boxes_of(file: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield the name and size of every outermost box of an MP4 file."""
    at = 0
    while at < len(file):
        size = int.from_bytes(file[at : at + 4])
        yield file[at + 4 : at + 8], size
        at += size


@pytest.mark.usefixtures("environment")
def test_a_finished_job_is_not_done_again(
    finished: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.out.iterdir()}
    assert main([str(SAMPLE), "--job", JOB, "--out", str(finished.out)]) == 0
    assert capsys.readouterr().out.count("skipped") == len(STAGES)
    assert {path: path.stat().st_mtime_ns for path in finished.out.iterdir()} == before


@pytest.mark.usefixtures("environment")
def test_a_broken_file_is_made_again_and_so_is_all_that_follows(
    finished: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = finished.out / "audio_normalization.mov"
    whole = broken.read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    assert main([str(SAMPLE), "--job", JOB, "--out", str(finished.out)]) == 0
    said = capsys.readouterr().out
    assert f"bytes, not the {len(whole):,} on record" in said
    assert said.count("skipped") == STAGES.index("audio_normalization")
    assert len(list(pictures(broken))) == len(list(pictures(finished.out / OUTPUT)))


@pytest.mark.usefixtures("environment")
def test_another_video_under_the_same_job_is_not_mistaken_for_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    for seconds in (1, 2):
        make_video(tmp_path / f"{seconds}.mkv", seconds=seconds)
        video = str(tmp_path / f"{seconds}.mkv")
        assert main([video, "--job", "swapped", "--out", str(out)]) == 0
    assert "2.mkv has" in capsys.readouterr().out
    assert len(list(pictures(out / OUTPUT))) == 50


@pytest.mark.usefixtures("environment")
def test_a_checkpoint_of_somebody_else_is_refused(
    manager: CheckpointManager, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = SmartVideoEditorCheckpoint(manager)
    checkpoint.save_stage_data("foreign", "validation", valid=True)
    assert main([str(SAMPLE), "--job", "foreign", "--out", str(tmp_path)]) == 1
    assert "choose another job id" in capsys.readouterr().out


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("content", "complaint"),
    [(None, "is not a file"), (b"", "is empty"), (b"hello\n" * 100, "cannot be read as a video")],
)
def test_what_is_no_video_is_refused_and_the_failure_recorded(
    manager: CheckpointManager,
    tmp_path: Path,
    content: bytes | None,
    complaint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "film.mp4"
    if content is not None:
        path.write_bytes(content)
    job = f"refused-{len(content or b'x')}"
    assert main([str(path), "--job", job, "--out", str(tmp_path / "out")]) == 1
    assert complaint in capsys.readouterr().out
    failures = manager.get_job_progress(job)["failures"]
    assert [failure["error"] for failure in failures] == ["NotAVideoError"]


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "song.mp4"
    with writing(path, "mp4") as container:
        heard = add_sound(container, "aac")
        mux(container, encoded(heard, sound_frames(beeps(1))))
    with pytest.raises(Exception, match="has no video stream"):
        validate(path, print)


@dataclass(frozen=True)
class Odd:
    """A video that is not like others."""

    make: Callable[[Path], None]
    size: tuple[int, int]
    pictures: int
    has_sound: bool = True


ODD = {
    "no sound": Odd(
        lambda path: make_video(path, has_sound=False), (320, 240), 50, has_sound=False
    ),
    "one second": Odd(lambda path: make_video(path, seconds=1), (320, 240), 25),
    "odd size": Odd(lambda path: make_video(path, size=(321, 181)), (320, 180), 50),
    "upright": Odd(lambda path: make_video(path, rotation=-90), (240, 320), 50),
    "uneven": Odd(lambda path: make_video(path, times=(0, 1, 2, 20, 21, 49)), (320, 240), 50),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_videos_are_edited_too(manager: CheckpointManager, tmp_path: Path, name: str) -> None:
    odd, source = ODD[name], tmp_path / "odd.mkv"
    odd.make(source)
    show = Terminal(Console(file=StringIO()))
    result = VideoEditor(manager, f"odd {name}", source, tmp_path / "out", show).run()
    shown = [frame for _, frame in pictures(result)]
    assert (shown[0].width, shown[0].height) == odd.size
    assert any(True for _ in sound(result, layout="stereo")) == odd.has_sound
    assert len(shown) == odd.pictures
    if name == "upright":
        corner = PictureFilter(("format", "rgb24"))(shown[0]).to_ndarray()[:20, -20:]
        assert corner.mean() > 200  # the mark in the top left corner, turned clockwise


def test_pictures_and_sound_stay_together_through_cuts(tmp_path: Path) -> None:
    source, target = tmp_path / "flashes.mkv", tmp_path / "cut.mov"
    make_video(source, seconds=8, flashes=True)
    segments = [Segment(1.2, 2.6, 1.0), Segment(3.72, 6.44, 1.0)]
    edit(source, validate(source, lambda _: None), segments, target, lambda _: None)
    # a flash and a beep at every full second: 2.0 becomes 0.8; 4, 5, 6 become 1.68, 2.68, 3.68
    expected = [0.8, 1.68, 2.68, 3.68]
    bright = [time for time, frame in pictures(target) if luma(frame) > 150]
    assert bright == pytest.approx(expected, abs=0.001)
    assert beginnings(np.concatenate(list(sound(target, layout="stereo")), axis=1)) == (
        pytest.approx(expected, abs=0.003)
    )


def luma(frame: av.VideoFrame) -> float:
    return float(frame.to_ndarray(format="gray").mean())


def beginnings(block: Block) -> list[float]:
    """Return the times at which sound begins after silence."""
    loud = np.flatnonzero(np.abs(block[0]) > 0.1)
    first = np.insert(np.diff(loud) > RATE // 10, 0, True)
    return [float(at) / RATE for at in loud[first]]


def make_video(
    path: Path,
    *,
    seconds: int = 2,
    size: tuple[int, int] = (320, 240),
    has_sound: bool = True,
    rotation: int = 0,
    times: tuple[int, ...] = (),
    flashes: bool = False,
) -> None:
    """Write a video with a white mark in a corner, or flashes, and a beep at every full second."""
    rate = Fraction(25)
    with writing(path, "matroska") as container:
        options = {"crf": "10", "preset": "ultrafast"}
        shown = add_pictures(container, size, rate, options)
        if any(length % 2 for length in size):
            shown.pix_fmt = "yuv444p"
        if rotation:
            shown.set_display_rotation(rotation)
        numbers = times or range(seconds * 25)
        draw = flash if flashes else marked
        frames = (at(draw(n, size), n, shown.pix_fmt or "") for n in numbers)
        tracks = [encoded(shown, frames)]
        if has_sound:
            heard = add_sound(container, "pcm_s16le")
            tracks.append(encoded(heard, sound_frames(beeps(seconds))))
        mux(container, *tracks)


def marked(_number: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    pixels = np.full((size[1], size[0], 3), 40, np.uint8)
    pixels[:40, :40] = 255
    return pixels


def flash(number: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    return np.full((size[1], size[0], 3), 20 if number % 25 else 255, np.uint8)


def at(pixels: NDArray[np.uint8], number: int, layout: str) -> av.VideoFrame:
    convert = PictureFilter(*STANDARD[:1], ("format", layout))
    frame = convert(av.VideoFrame.from_ndarray(pixels, format="rgb24"))
    frame.pts, frame.time_base = number, Fraction(1, 25)
    return frame


def beeps(seconds: int) -> Iterator[Block]:
    """Yield seconds that begin with a tenth of a second of sound."""
    time = np.arange(RATE) / RATE
    wave = np.where(time < 0.1, 0.5 * np.cos(2 * np.pi * 1000 * time), 0)
    yield from [np.stack([wave, wave]).astype(np.float32)] * seconds
