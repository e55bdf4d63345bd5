"""Writing videos: tracks of packets, encoded or copied, interleaved by time into one file."""

import heapq
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.video.stream import VideoStream

from .filters import BT709
from .media import RATE, AnyPacket

LIMITED_RANGE = 1

AnyStream = TypeVar("AnyStream", VideoStream, AudioStream)

INTERMEDIATE = {"crf": "12", "preset": "veryfast"}
"""H.264 that may be encoded again without a visible loss."""


@contextmanager
def writing(path: Path, container_format: str, **options: str) -> Iterator[OutputContainer]:
    """Open a video file for writing; it is complete when the block ends."""
    with av.open(f"file:{path}", "w", format=container_format, options=options) as container:
        yield container


def add_pictures(
    container: OutputContainer, size: tuple[int, int], rate: Fraction, options: dict[str, str]
) -> VideoStream:
    """Add an H.264 track for the editor's standard pictures."""
    stream = container.add_stream("libx264", rate=rate, options=options)
    if not isinstance(stream, VideoStream):
        raise TypeError(stream)
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p"
    stream.colorspace, stream.color_range = BT709, LIMITED_RANGE
    stream.codec_context.time_base = 1 / rate
    return stream


def add_sound(container: OutputContainer, codec: str, bit_rate: int = 0) -> AudioStream:
    """Add a stereo track."""
    stream = container.add_stream(codec, rate=RATE, layout="stereo")
    if not isinstance(stream, AudioStream):
        raise TypeError(stream)
    if bit_rate:
        stream.bit_rate = bit_rate
    return stream


def encoded(
    stream: VideoStream | AudioStream, frames: Iterable[av.VideoFrame | av.AudioFrame]
) -> Iterator[AnyPacket]:
    """Yield the packets of a track, those that the encoder held back included."""
    for frame in frames:
        yield from stream.encode(frame)  # type: ignore[arg-type]  # a track has one kind of frame
    yield from stream.encode(None)


def numbered(pictures: Iterable[av.VideoFrame], rate: Fraction) -> Iterator[av.VideoFrame]:
    """Give pictures the time stamps of a constant rate."""
    for number, picture in enumerate(pictures):
        picture.pts, picture.time_base = number, 1 / rate
        yield picture


def copied(container: InputContainer, source: AnyStream, stream: AnyStream) -> Iterator[AnyPacket]:
    """Yield the packets of a track as they are."""
    for packet in container.demux(source):
        if packet.size:  # the last one only says that there are no more
            packet.stream = stream
            yield packet


def mux(container: OutputContainer, *tracks: Iterable[AnyPacket]) -> None:
    """Write tracks, the packet with the earliest time first."""
    for packet in heapq.merge(*tracks, key=_decoding_time):
        container.mux(packet)


def _decoding_time(packet: AnyPacket) -> Fraction:
    return (packet.dts or 0) * Fraction(packet.time_base or 1)
