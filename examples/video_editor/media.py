"""Streams of pictures and sound in and out of files, a few at a time however long the video is.

Times are seconds from the beginning of the file. Sound is float32, one row per channel.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream
from numpy.typing import NDArray

from .errors import NotAVideoError

Block = NDArray[np.float32]
Item = TypeVar("Item")
AnyPacket: TypeAlias = "Packet[Any]"

RATE = 48_000
"""Samples per second of all sound after the source."""

JITTER = 0.04
"""Seconds by which time stamps of sound may wander before silence is put in or sound left out."""

LONGEST_STILL = 600.0
"""Seconds in which a file may show nothing new; a time stamp beyond them is damaged."""

PREROLL = 1.0
"""Seconds of sound decoded ahead of a cut, for codecs that need a run-up."""


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """Open a file for reading. Raises NotAVideoError when libav cannot make sense of it."""
    try:
        container = av.open(f"file:{path}", metadata_errors="replace")
    except (FFmpegError, OSError) as error:
        message = f"{path} cannot be read as a video: {error.strerror or error}"
        raise NotAVideoError(message) from error
    with closing(container):
        yield container


def picture_stream(container: InputContainer) -> VideoStream | None:
    """Return the first stream of moving pictures; the cover picture of a song is none."""
    moving = (s for s in container.streams.video if not s.disposition & Disposition.attached_pic)
    return next(moving, None)


def sound_stream(container: InputContainer) -> AudioStream | None:
    """Return the first stream of sound that can be decoded."""
    return next((s for s in container.streams.audio if s.codec_context is not None), None)


def origin(container: InputContainer) -> float:
    """Return the time stamp, in seconds, at which the file begins."""
    return (container.start_time or 0) / av.time_base


def pictures(path: Path, start: float = 0.0) -> Iterator[tuple[float, av.VideoFrame]]:
    """Yield (time, picture) from the last key picture at or before `start`."""
    frames = _pictures(path, start)
    first = next(frames, None)
    if start and (first is None or first[0] > start):
        yield from _pictures(path, 0.0)  # an index that leads astray
    elif first is not None:
        yield first
        yield from frames


def _pictures(path: Path, start: float) -> Iterator[tuple[float, av.VideoFrame]]:
    with opened(path) as container:
        stream = picture_stream(container)
        if stream is None:
            return
        stream.thread_type = "AUTO"
        begin = origin(container)
        _seek(container, start + begin)
        packets = container.demux(stream)
        frames = (frame for packet in packets for frame in decoded(stream.decode, packet))
        yield from plausible((f.time - begin, f) for f in frames if f.time is not None)


def sound(
    path: Path, start: float = 0.0, end: float = math.inf, *, rate: int = RATE, layout: str
) -> Iterator[Block]:
    """Yield the sound between two times without a gap: silence where the file has none.

    With an `end`, exactly `(end - start) * rate` samples; without, up to the last one.
    """
    at = 0
    limit = math.inf if math.isinf(end) else round((end - start) * rate)
    for time, block in _resampled(path, start, rate, layout):
        late = round((time - start) * rate) - at
        if abs(late) <= JITTER * rate and at:
            late = 0
        for piece in (*silence(block.shape[0], late), block[:, max(0, -late) :]):
            kept = piece[:, : int(min(limit - at, piece.shape[1]))]
            at += kept.shape[1]
            if kept.size:
                yield kept
        if at >= limit:
            return
    if math.isfinite(limit):
        yield from silence(2 if layout == "stereo" else 1, int(limit) - at)


def plausible(timed: Iterable[tuple[float, Item]]) -> Iterator[tuple[float, Item]]:
    """Leave out what claims to come long after everything before it."""
    before: float | None = None
    for time, item in timed:
        if before is None or time - before <= LONGEST_STILL:
            before = time
            yield time, item


def silence(channels: int, samples: int) -> Iterator[Block]:
    """Yield so many samples of silence, at most a second's worth at a time."""
    for done in range(0, samples, RATE):
        yield np.zeros((channels, min(RATE, samples - done)), np.float32)


def _resampled(path: Path, start: float, rate: int, layout: str) -> Iterator[tuple[float, Block]]:
    with opened(path) as container:
        stream = sound_stream(container)
        if stream is None:
            return
        begin = origin(container)
        _seek(container, max(0.0, start - PREROLL) + begin)
        frames = _in_one_shape(stream, container.demux(stream), rate, layout)
        timed = ((frame.time - begin, frame) for frame in frames if frame.time is not None)
        for time, frame in plausible(timed):
            yield time, np.nan_to_num(np.asarray(frame.to_ndarray(), np.float32))


def _in_one_shape(
    stream: AudioStream, packets: Iterable[AnyPacket], rate: int, layout: str
) -> Iterator[av.AudioFrame]:
    resampler, shape = None, None
    for packet in packets:
        for frame in decoded(stream.decode, packet):
            now = (frame.format.name, frame.layout.name, frame.sample_rate)
            if resampler is None or now != shape:  # broadcasts change from 5.1 to stereo and back
                resampler, shape = av.AudioResampler("fltp", layout, rate), now
            yield from resampler.resample(frame)
    if resampler:
        yield from resampler.resample(None)


def decoded(decode: Callable[[AnyPacket], list[Item]], packet: AnyPacket) -> list[Item]:
    """Decode a packet; one that is damaged gives nothing, as in every player."""
    try:
        return decode(packet)
    except av.error.InvalidDataError:
        return []


def _seek(container: InputContainer, time: float) -> None:
    if time > origin(container):
        with suppress(FFmpegError):  # a file without an index is read from its beginning
            container.seek(int(time * av.time_base), backward=True)
