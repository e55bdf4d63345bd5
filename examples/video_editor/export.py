"""Stage 8: the finished video, for every player; what was written is read again to be sure."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import msgspec

from .errors import EditorError
from .files import Report, StoredFile, published, record
from .filters import sound_frames
from .loudness import Loudness, measured
from .media import RATE, Block, opened, pictures, sound, sound_stream
from .movie import add_pictures, add_sound, encoded, mux, numbered, writing
from .validation import Validation

QUALITY = {"crf": "20", "preset": "medium"}
SOUND_BIT_RATE = 160_000

SLACK = 0.1
"""Seconds by which sound and pictures may differ in length: lossy sound comes in whole packets."""


class Export(msgspec.Struct, frozen=True):
    """The finished video as it was read back: seconds, number of pictures, loudness."""

    file: StoredFile
    duration: float
    pictures: int
    resolution: str
    fps: float
    sound: Loudness | None

    def __str__(self) -> str:
        """Say it in a few words."""
        return f"{self.duration:.1f} s in {self.file.path}"


def export(source: Path, probe: Validation, count: int, target: Path, report: Report) -> Export:
    """Write MP4 with its index in front, then decode all of it.

    Raises EditorError when not every one of the `count` pictures comes back, or the sound is not
    as long as they are.
    """
    with opened(source) as reading:
        has_sound = sound_stream(reading) is not None
    rate = Fraction(probe.frame_rate)
    with published(target) as unfinished:
        _write(source, unfinished, probe, _shown(source, count, 0.0, 0.7, report), has_sound)
        found = sum(1 for _ in _shown(unfinished, count, 0.7, 0.9, report))
        loudness = _checked_sound(unfinished, float(count / rate)) if has_sound else None
        if found != count:
            raise EditorError(f"{target}: {found} of {count} pictures came back; run it again")
    return Export(
        file=record(target),
        duration=float(count / rate),
        pictures=found,
        resolution=probe.resolution,
        fps=probe.fps,
        sound=loudness,
    )


def _write(
    source: Path,
    target: Path,
    probe: Validation,
    frames: Iterator[av.VideoFrame],
    has_sound: bool,  # noqa: FBT001  # private, and named where it is called
) -> None:
    rate = Fraction(probe.frame_rate)
    with writing(target, "mp4", movflags="+faststart") as container:
        shown = add_pictures(container, (probe.width, probe.height), rate, QUALITY)
        tracks = [encoded(shown, numbered(frames, rate))]
        if has_sound:
            heard = add_sound(container, "aac", SOUND_BIT_RATE)
            tracks.append(encoded(heard, sound_frames(sound(source, layout="stereo"))))
        mux(container, *tracks)


def _shown(
    path: Path, count: int, begin: float, end: float, report: Report
) -> Iterator[av.VideoFrame]:
    for done, (_, frame) in enumerate(pictures(path), 1):
        yield frame
        report(begin + (end - begin) * min(1.0, done / count))


def _checked_sound(path: Path, duration: float) -> Loudness:
    samples = 0

    def counted() -> Iterator[Block]:
        nonlocal samples
        for block in sound(path, layout="stereo"):
            samples += block.shape[1]
            yield block

    loudness = measured(sound_frames(counted()))
    if abs(samples / RATE - duration) > SLACK:
        message = f"{path}: {samples / RATE:.2f} s of sound for {duration:.2f} s of pictures"
        raise EditorError(message)
    return loudness
