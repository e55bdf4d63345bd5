"""Stage 2: find out where the picture changes, how much moves in it, and how loud it is.

One number a second for motion and one for loudness: two hours make 7,200 of each.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import av
import msgspec
import numpy as np

from .files import Report, StoredFile, write_json
from .filters import PictureFilter, sound_frames, thumbnail
from .loudness import SILENT, Loudness, Meter
from .media import pictures, sound
from .validation import Validation

THUMBNAIL = 96, 54
"""Pixels: cuts and motion are as plain in a small picture, and the noise is gone."""

CUT = 10.0
"""Percent by which a picture must differ from the one before, beyond the motion so far."""

SHORTEST_SHOT = 0.5
"""Seconds: a second cut within them is a flash."""


class Timeline(msgspec.Struct, frozen=True):
    """What happens when: `motion` in percent and `loudness` in LUFS, second by second."""

    cuts: list[float]
    motion: list[float]
    loudness: list[float]


class Analysis(msgspec.Struct, frozen=True):
    """What the analysis found; the timeline itself lies in `file`."""

    file: StoredFile
    scenes: int
    motion: float
    sound: Loudness

    def __str__(self) -> str:
        """Say it in a few words."""
        return f"{self.scenes} scenes, {self.sound}"


def analyze(source: Path, probe: Validation, target: Path, report: Report) -> Analysis:
    """Watch and hear a whole video, and write its timeline."""
    seconds = max(1, int(np.ceil(probe.duration)))
    meter = Meter()
    changes = Seconds(seconds)
    cuts = find_cuts(_watched(source, probe, changes, report))
    levels = Seconds(seconds)
    frames = sound_frames(sound(source, layout="stereo", track=probe.sound_track))
    for time, level in meter.moments(frames):
        levels.add(time, level)
        report(min(1.0, 0.8 + 0.2 * time / probe.duration))
    timeline = Timeline(cuts, changes.means(0.0), levels.means(SILENT))
    return Analysis(
        file=write_json(target, timeline),
        scenes=len(cuts) + 1,
        motion=round(float(np.mean(timeline.motion)), 3),
        sound=meter.result(),
    )


def find_cuts(changes: Iterable[tuple[float, float]]) -> list[float]:
    """Return the times of cuts, from (time, percent of change from the picture before).

    A cut is a change far above the last one: a pan changes much in every picture, a cut in one.
    """
    cuts: list[float] = []
    before, last = 0.0, 0.0
    for time, change in changes:
        if min(change, abs(change - before)) >= CUT and time - last >= SHORTEST_SHOT:
            cuts.append(round(time, 3))
            last = time
        before = change
    return cuts


class Seconds:
    """Means of a quantity over each second of the video."""

    def __init__(self, count: int) -> None:
        """Start with nothing known of so many seconds."""
        self._sums = np.zeros(count)
        self._counts = np.zeros(count)

    def add(self, time: float, value: float) -> None:
        """Count a value at a time; times past either end count for the outermost second."""
        second = min(max(int(time), 0), len(self._sums) - 1)
        self._sums[second] += value
        self._counts[second] += 1

    def means(self, default: float) -> list[float]:
        """Return the mean of every second; where nothing was seen, `default`."""
        known = self._counts > 0
        means = np.where(known, self._sums / np.maximum(self._counts, 1), default)
        return [round(float(mean), 3) for mean in means]


def _watched(
    source: Path, probe: Validation, changes: Seconds, report: Report
) -> Iterator[tuple[float, float]]:
    small = PictureFilter(*thumbnail(*THUMBNAIL))
    shown = pictures(source, track=probe.picture_track)
    for time, change in _compared((time, small(frame)) for time, frame in shown):
        changes.add(time, change)
        report(min(0.8, 0.8 * time / probe.duration))
        yield time, change


def _compared(
    small: Iterable[tuple[float, av.VideoFrame]],
) -> Iterator[tuple[float, float]]:
    before = None
    for time, picture in small:
        now = picture.to_ndarray().astype(np.int16)
        if before is not None:
            yield time, float(np.abs(now - before).mean()) / 2.55
        before = now
