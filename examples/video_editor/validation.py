"""Stage 1: find out whether this is a video, and what is in it."""

from fractions import Fraction
from pathlib import Path

import av
import msgspec
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from .errors import NotAVideoError
from .files import Report, StoredFile, record
from .media import (
    AnyPacket,
    audible_track,
    moving_track,
    opened,
    origin,
    packets,
    picture_stream,
    pictures,
    plausible,
    sound_stream,
)
from .orientation import Turn, turn

Tracks = tuple[VideoStream, AudioStream | None]

SLOWEST, FASTEST = 10, 60
"""Pictures per second of what the editor writes, whatever the source has."""


class Validation(msgspec.Struct, frozen=True):
    """What the file holds: times in seconds, sizes in square pixels as seen upright."""

    file: StoredFile
    container: str
    codec: str
    duration: float
    width: int
    height: int
    resolution: str
    rotation: int
    """Degrees, counterclockwise, by which the picture lies turned, as libav has them."""
    fps: float
    frame_rate: str
    """The rate as an exact fraction, such as 30000/1001."""
    audio_codec: str | None
    sample_rate: int | None
    channels: int | None
    picture_track: int | None = None
    sound_track: int | None = None
    """The numbers of the streams that are seen and heard."""
    note: str = ""
    """What the editor leaves as it is."""
    valid: bool = True

    def __str__(self) -> str:
        """Say it in a few words."""
        parts = (self.codec, self.audio_codec or "no sound", self.note)
        said = ", ".join(part for part in parts if part)
        return f"{self.duration:.1f} s of {self.resolution}, {said}"


def validate(source: Path, report: Report) -> Validation:
    """Probe a file from end to end. Raises NotAVideoError saying what is wrong with it."""
    if not source.is_file():
        raise NotAVideoError(f"{source} is not a file: name a video")
    stored = record(source, lambda done: report(done / 2))
    if not stored.size:
        raise NotAVideoError(f"{source} is empty")
    with opened(source) as container:
        stream = picture_stream(container, moving_track(source))
        if stream is None:
            raise NotAVideoError(f"{source} {_without_pictures(container)}")
        sound = sound_stream(container, audible_track(source))
        duration, count = _extent(container, (stream, sound), stored.size, report)
        rate = frame_rate(stream.average_rate or stream.guessed_rate)
        picture, turned = _first_picture(source, stream.index, count)
        aspect = Fraction(stream.sample_aspect_ratio or 1)
        width, height = upright(
            picture.width, picture.height, aspect, 90 * turned.orientation.is_on_its_side
        )
        return Validation(
            file=stored,
            container=container.format.name,
            codec=stream.codec_context.name,
            duration=round(max(duration, float(1 / rate)), 6),
            width=width,
            height=height,
            resolution=f"{width}x{height}",
            rotation=picture.rotation,
            fps=round(float(rate), 3),
            frame_rate=str(rate),
            audio_codec=sound.codec_context.name if sound else None,
            sample_rate=sound.sample_rate if sound else None,
            channels=sound.channels if sound else None,
            picture_track=stream.index,
            sound_track=sound.index if sound else None,
            note=f"{turned.oblique} degrees of its turn left out" if turned.oblique else "",
        )


def frame_rate(found: Fraction | None) -> Fraction:
    """Return the constant rate, in pictures per second, at which a source can be cut."""
    if not found:
        return Fraction(25)
    return min(max(Fraction(found).limit_denominator(1001), Fraction(SLOWEST)), Fraction(FASTEST))


def upright(width: int, height: int, pixel_aspect: Fraction, rotation: int) -> tuple[int, int]:
    """Return the even size, in square pixels, of a picture once it is turned upright."""
    wide = round(width * pixel_aspect)
    across, down = (height, wide) if rotation % 180 else (wide, height)
    return max(2, across - across % 2), max(2, down - down % 2)


def _without_pictures(container: InputContainer) -> str:
    if any(stream.codec_context is None for stream in container.streams.video):
        return "has pictures in a codec that libav does not know: convert it to another first"
    return "has no video stream: name a file with moving pictures"


def _extent(
    container: InputContainer, tracks: Tracks, size: int, report: Report
) -> tuple[float, int]:
    """Return the time at which the last packet ends, and the number of pictures.

    Headers are not believed: recordings that were cut short have none or wrong ones.
    """
    end, count = 0.0, 0
    found = packets(container, *(track for track in tracks if track is not None))
    timed = ((_seconds(p, p.pts), p) for p in found if p.pts is not None)
    for time, packet in plausible(timed):
        end = max(end, time + _seconds(packet, packet.duration))
        count += isinstance(packet.stream, VideoStream)
        report(0.5 + min(packet.pos or 0, size) / size / 2)
    return end - origin(container), count


def _seconds(packet: AnyPacket, ticks: int | None) -> float:
    return float((ticks or 0) * (packet.time_base or 0))


def _first_picture(source: Path, track: int, count: int) -> tuple[av.VideoFrame, Turn]:
    if not count:
        message = f"{source} has no time stamps: put it into a container first, such as MP4"
        raise NotAVideoError(message)
    if count == 1:
        raise NotAVideoError(f"{source} holds a single picture: name a video")
    picture: av.VideoFrame | None = next(
        (frame for _, frame in pictures(source, track=track)), None
    )
    if picture is None:
        raise NotAVideoError(f"{source} has a video stream, but no picture in it can be decoded")
    return picture, turn(picture)
