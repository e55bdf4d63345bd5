"""Stage 5: cut the chosen segments out and join them, frame by frame and sample by sample."""

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import av
import msgspec

from .files import Report, StoredFile, published, record
from .filters import STANDARD, PictureFilter, scaled, sound_frames
from .highlight_detection import Segment
from .media import Block, pictures, sound
from .movie import INTERMEDIATE, add_pictures, add_sound, encoded, mux, numbered, writing
from .validation import Validation

Picture = TypeVar("Picture")


class Editing(msgspec.Struct, frozen=True):
    """The cut video: seconds, number of pictures, number of segments."""

    file: StoredFile
    duration: float
    pictures: int
    segments: int

    def __str__(self) -> str:
        """Say it in a few words."""
        return f"{self.pictures} pictures, {self.duration:.1f} s"


def edit(
    source: Path, probe: Validation, segments: Sequence[Segment], target: Path, report: Report
) -> Editing:
    """Write the segments, one after the other, at a constant rate and in an upright position."""
    rate = Fraction(probe.frame_rate)
    total = sum(length(segment, rate) for segment in segments)
    size = probe.width, probe.height
    with published(target) as unfinished:
        frames = _counted(_cut(source, segments, rate, probe), total, report)
        with writing(unfinished, "mov") as container:
            seen = add_pictures(container, size, rate, INTERMEDIATE)
            tracks = [encoded(seen, numbered(frames, rate))]
            if probe.audio_codec:
                heard = add_sound(container, "pcm_f32le")
                tracks.append(
                    encoded(heard, sound_frames(_heard(source, segments, probe.sound_track)))
                )
            mux(container, *tracks)
    return Editing(record(target), float(total / rate), total, len(segments))


def length(segment: Segment, rate: Fraction) -> int:
    """Return the number of pictures in a segment."""
    return round((segment.end - segment.start) * rate)


def on_grid(
    shown: Iterable[tuple[float, Picture]], start: float, count: int, rate: Fraction
) -> Iterator[Picture]:
    """Yield what is to be seen at each of `count` moments: the latest picture begun by then.

    So a source that shows one picture for ten seconds, or two within a millisecond, keeps its
    time beside the sound. Half a picture of tolerance takes up the rounding of time stamps.
    """
    timed = iter(shown)
    current = upcoming = next(timed, None)
    for tick in range(count):
        until = start + float((tick + Fraction(1, 2)) / rate)
        while upcoming is not None and upcoming[0] < until:
            current, upcoming = upcoming, next(timed, None)
        if current is not None:
            yield current[1]


def _cut(
    source: Path, segments: Sequence[Segment], rate: Fraction, probe: Validation
) -> Iterator[av.VideoFrame]:
    convert = PictureFilter(*scaled(probe.width, probe.height), *STANDARD)
    for segment in segments:
        shown = pictures(source, segment.start, track=probe.picture_track)
        for picture in on_grid(shown, segment.start, length(segment, rate), rate):
            yield convert(picture)


def _heard(source: Path, segments: Sequence[Segment], track: int | None) -> Iterator[Block]:
    for segment in segments:
        yield from sound(source, segment.start, segment.end, layout="stereo", track=track)


def _counted(
    frames: Iterable[av.VideoFrame], total: int, report: Report
) -> Iterator[av.VideoFrame]:
    for done, frame in enumerate(frames, 1):
        yield frame
        report(done / total)
