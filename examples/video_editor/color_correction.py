"""Stage 7: take a colour cast out, and use the whole range from black to white.

Every channel has its darkest and its brightest values brought to those of the picture as a whole,
which is white balance by the assumption that something in the video is black and something white.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import msgspec
import numpy as np
from numpy.typing import NDArray

from .files import Report, StoredFile, published, record
from .filters import STANDARD, PictureFilter, Step, thumbnail
from .media import opened, pictures, sound_stream
from .movie import INTERMEDIATE, add_pictures, copied, encoded, mux, numbered, writing
from .validation import Validation

Histogram = NDArray[np.int64]
"""Three rows of 256 counts: red, green, blue."""

THUMBNAIL = 160, 90
DARKEST, BRIGHTEST = 0.01, 0.99
"""The share of pixels at which black and white are read: not the very first, which are noise."""

BLACK, WHITE = 8.0, 247.0
STRONGEST = 1.5
"""The most by which the contrast of all channels is raised: night shall stay night."""

FURTHEST, DEEPEST = 1.5, 24
"""How far channels may lie apart, white as a factor and black in steps, and count as a cast.

What is further apart is the picture's own colour: a sunset shall stay red.
"""


class Level(msgspec.Struct, frozen=True):
    """What happens to a channel: `black` and `white` of 0 to 255 go to `to_black`, `to_white`."""

    black: float
    white: float
    to_black: float
    to_white: float


class ColorCorrection(msgspec.Struct, frozen=True):
    """The corrected video; a cast is a distance between channels, of 255."""

    file: StoredFile
    levels: list[Level]
    cast_before: int
    cast_after: int

    def __str__(self) -> str:
        """Say it in a few words."""
        return f"colour cast {self.cast_before} before, {self.cast_after} after"


def correct(
    source: Path, probe: Validation, count: int, target: Path, report: Report
) -> ColorCorrection:
    """Write a video of `count` pictures again with its colours corrected; the sound is copied."""
    before = histogram(_told(pictures(source), count, lambda done: report(0.2 * done)))
    levels = find_levels(before)
    convert = PictureFilter(*corrected(levels), *STANDARD)
    shown = _told(pictures(source), count, lambda done: report(0.2 + 0.6 * done))
    _write(source, probe, target, (convert(frame) for frame in shown))
    after = histogram(_told(pictures(target), count, lambda done: report(0.8 + 0.2 * done)))
    return ColorCorrection(record(target), levels, cast(before), cast(after))


def histogram(frames: Iterable[av.VideoFrame]) -> Histogram:
    """Count the values of each channel over all pictures."""
    small = PictureFilter(*thumbnail(*THUMBNAIL))
    counts = np.zeros((3, 256), np.int64)
    for frame in frames:
        pixels = small(frame).to_ndarray().astype(np.uint8, copy=False)
        for channel in range(3):
            counts[channel] += np.bincount(pixels[..., channel].ravel(), minlength=256)
    return counts


def find_levels(counts: Histogram) -> list[Level]:
    """Return what to do to red, green and blue."""
    darkest = np.array([percentile(channel, DARKEST) for channel in counts])
    brightest = np.array([percentile(channel, BRIGHTEST) for channel in counts])
    blacks = np.minimum(darkest, darkest.min() + DEEPEST)
    whites = np.maximum(brightest, brightest.max() / FURTHEST)
    span = float((whites - blacks).max())
    to_black = min(float(blacks.min()), BLACK)
    to_white = max(float(whites.max()), min(WHITE, to_black + span * STRONGEST))
    return [
        Level(float(black), float(max(white, black + 1)), to_black, to_white)
        for black, white in zip(blacks, whites, strict=True)
    ]


def percentile(counts: NDArray[np.int64], share: float) -> int:
    """Return the value below or at which the share of all pixels lies."""
    running = np.cumsum(counts)
    return int(np.searchsorted(running, share * running[-1]))


def cast(counts: Histogram) -> int:
    """Return how far apart the channels are where the picture is at its brightest, of 255."""
    whites = [percentile(channel, BRIGHTEST) for channel in counts]
    return max(whites) - min(whites)


def corrected(levels: Iterable[Level]) -> tuple[Step, ...]:
    """Return the filters that apply levels to red, green and blue."""
    tables = (
        f"{channel}='clip({level.to_black}+(val-{level.black})"
        f"*{(level.to_white - level.to_black) / (level.white - level.black)},0,255)'"
        for channel, level in zip("rgb", levels, strict=True)
    )
    return ("format", "gbrp"), ("lutrgb", ":".join(tables))


def _told(
    timed: Iterable[tuple[float, av.VideoFrame]], count: int, report: Report
) -> Iterator[av.VideoFrame]:
    for done, (_, frame) in enumerate(timed, 1):
        yield frame
        report(min(1.0, done / count))


def _write(source: Path, probe: Validation, target: Path, frames: Iterable[av.VideoFrame]) -> None:
    rate = Fraction(probe.frame_rate)
    with (
        published(target) as unfinished,
        opened(source) as reading,
        writing(unfinished, "mov") as container,
    ):
        shown = add_pictures(container, (probe.width, probe.height), rate, INTERMEDIATE)
        tracks = [encoded(shown, numbered(frames, rate))]
        if heard := sound_stream(reading):
            tracks.append(copied(reading, heard, container.add_stream_from_template(heard)))
        mux(container, *tracks)
