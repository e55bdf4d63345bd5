"""Stage 6: bring the sound to a stated loudness, with no peak above a stated ceiling."""

from collections.abc import Iterator
from pathlib import Path

import av
import msgspec

from .files import Report, StoredFile, published, record
from .filters import linked_sound, sound_frames, through
from .loudness import Loudness, measured
from .media import RATE, opened, picture_stream, sound
from .movie import add_sound, copied, encoded, mux, writing

TARGET = -16.0
"""LUFS: what streaming services ask of stereo."""

CEILING = -1.5
"""dBTP, with half a decibel left for the lossy encoder at the end."""

TOLERANCE = 0.2
"""LU within which the target counts as met."""

LARGEST_GAIN = 40.0
"""Decibels: a video that would need more holds nothing but noise."""

TRIES = 4
OVERSAMPLED = 4 * RATE
"""A limiter at four times the rate sees the peaks between samples, as BS.1770 does."""


class AudioNormalization(msgspec.Struct, frozen=True):
    """The video with its new sound; `before` and `after` are None when it has no sound."""

    file: StoredFile
    target: float
    gain: float
    before: Loudness | None
    after: Loudness | None

    def __str__(self) -> str:
        """Say it in a few words."""
        return f"{self.before} before, {self.after} after" if self.before else "no sound"


def normalize(
    source: Path, target: Path, report: Report, *, loudness: float = TARGET
) -> AudioNormalization:
    """Write a video again with its sound at so many LUFS; the pictures are copied."""
    with opened(source) as reading:
        has_sound = bool(reading.streams.audio)
    before = measured(_plain(source)) if has_sound else None
    report(0.2)
    gain = find_gain(source, before, loudness)
    report(0.6)
    _write(source, target, gain, has_sound=has_sound)
    report(0.9)
    after = measured(_plain(target)) if has_sound else None
    return AudioNormalization(record(target), loudness, round(gain, 2), before, after)


def find_gain(source: Path, before: Loudness | None, loudness: float) -> float:
    """Return the decibels after which, peaks limited, the sound has the wanted loudness.

    The limiter takes some of the loudness away, so what comes out is measured and the rest added.
    """
    if before is None or before.integrated is None:
        return 0.0
    gain = min(loudness - before.integrated, LARGEST_GAIN)
    for _ in range(TRIES):
        reached = measured(_louder(source, gain)).integrated
        if reached is None or abs(loudness - reached) <= TOLERANCE:
            break
        gain = min(gain + loudness - reached, LARGEST_GAIN)
    return gain


def _plain(path: Path) -> Iterator[av.AudioFrame]:
    return sound_frames(sound(path, layout="stereo"))


def _louder(path: Path, gain: float) -> Iterator[av.AudioFrame]:
    ceiling = 10 ** (CEILING / 20)
    graph = linked_sound(
        ("volume", f"{gain}dB:precision=float"),
        ("aresample", str(OVERSAMPLED)),
        ("alimiter", f"limit={ceiling}:level=false:latency=true"),
        ("aresample", str(RATE)),
        ("aformat", "sample_fmts=fltp"),
    )
    return through(graph, _plain(path))


def _write(source: Path, target: Path, gain: float, *, has_sound: bool) -> None:
    with (
        published(target) as unfinished,
        opened(source) as reading,
        writing(unfinished, "mov") as container,
    ):
        shown = picture_stream(reading)
        if shown is None:
            raise LookupError(source)
        tracks = [copied(reading, shown, container.add_stream_from_template(shown))]
        if has_sound:
            heard = add_sound(container, "pcm_f32le")
            tracks.append(encoded(heard, _louder(source, gain)))
        mux(container, *tracks)
