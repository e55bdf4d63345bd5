"""Streams of pictures and sound in and out of files, a few at a time however long the video is.

Times are seconds from the beginning of the file. Sound is float32, one row per channel.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from fractions import Fraction
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
AnyFrame = TypeVar("AnyFrame", av.VideoFrame, av.AudioFrame)
Decode: TypeAlias = "Callable[[AnyPacket | None], list[AnyFrame]]"

RATE = 48_000
"""Samples per second of all sound after the source."""

JITTER = 0.04
"""Seconds by which time stamps of sound may wander before silence is put in or sound left out."""

LONGEST_STILL = 600.0
"""Seconds in which a file may show nothing new; a time stamp beyond them is damaged."""

STILL = Disposition.attached_pic | Disposition.timed_thumbnails
"""Streams of pictures that do not move: covers, and previews for a player's time bar."""

AUDIBLE = 10 ** (-70 / 20)
"""The peak from which a track of several counts as more than silence with a little hiss."""

# PyAV 19 takes texts that are no UTF-8, and has no option for it; an earlier one must be told to
IS_LENIENT = tuple(map(int, av.__version__.split(".")[:2])) >= (19, 0)
LENIENCE: dict[str, Any] = {} if IS_LENIENT else {"metadata_errors": "replace"}

PREROLL = 1.0
"""Seconds of sound decoded ahead of a cut, for codecs that need a run-up."""


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """Open a file for reading. Raises NotAVideoError when libav cannot make sense of it."""
    try:
        container = av.open(f"file:{path}", **LENIENCE)
    except (FFmpegError, OSError) as error:
        why = error.strerror or error
        message = f"{path} cannot be read as a video: {why}; it is none, or damaged, or cut short"
        raise NotAVideoError(message) from error
    with closing(container):
        yield container


def picture_stream(container: InputContainer, track: int | None = None) -> VideoStream | None:
    """Return the stream of pictures with a number, or the first one that may move."""
    return next((s for s in _moving(container) if track in (None, s.index)), None)


def _moving(container: InputContainer) -> list[VideoStream]:
    streams = (s for s in container.streams.video if s.codec_context is not None)
    return [stream for stream in streams if not stream.disposition & STILL]


def moving_track(path: Path) -> int | None:
    """Return the number of the first stream with two pictures or more; a cover has one.

    Where none has, the first one; None where there are no pictures.
    """
    with opened(path) as container:
        streams = _moving(container)
        counts = Counter({stream.index: 0 for stream in streams})
        for packet in packets(container, *streams) if len(streams) > 1 else ():
            counts[packet.stream.index] += bool(packet.size)
            if counts[streams[0].index] > 1:
                break
    return next((track for track, count in counts.items() if count > 1), next(iter(counts), None))


def sound_stream(container: InputContainer, track: int | None = None) -> AudioStream | None:
    """Return the stream of sound with a number, or the first one that can be decoded."""
    streams = (s for s in container.streams.audio if s.codec_context is not None)
    return next((s for s in streams if track in (None, s.index)), None)


def audible_track(path: Path) -> int | None:
    """Return the number of the stream to listen to, None where there is no sound.

    The default one comes before the others, and one with something to hear before silent ones.
    """
    with opened(path) as container:
        streams = [s for s in container.streams.audio if s.codec_context is not None]
        streams.sort(key=lambda stream: not stream.disposition & Disposition.default)
        tracks = [stream.index for stream in streams]
    if len(tracks) <= 1:
        return next(iter(tracks), None)
    return next((track for track in tracks if _is_audible(path, track)), tracks[0])


def _is_audible(path: Path, track: int) -> bool:
    blocks = sound(path, layout="stereo", track=track)
    return any(float(np.abs(block).max()) > AUDIBLE for block in blocks)


def origin(container: InputContainer) -> float:
    """Return the time stamp, in seconds, at which the file begins."""
    return (container.start_time or 0) / av.time_base


def pictures(
    path: Path, start: float = 0.0, *, track: int | None = None
) -> Iterator[tuple[float, av.VideoFrame]]:
    """Yield (time, picture) from the last key picture at or before `start`.

    `track` is the number of a stream, by default the first one of pictures.
    """
    frames = _pictures(path, start, track)
    first = next(frames, None)
    if start and (first is None or first[0] > start):
        yield from _pictures(path, 0.0, track)  # an index that leads astray
    elif first is not None:
        yield first
        yield from frames


def _pictures(path: Path, start: float, track: int | None) -> Iterator[tuple[float, av.VideoFrame]]:
    with opened(path) as container:
        stream = picture_stream(container, track)
        if stream is None:
            return
        stream.thread_type = "AUTO"
        begin = origin(container)
        _seek(container, start + begin)
        frames = decoded(stream.decode, packets(container, stream), stream.time_base)
        yield from plausible((f.time - begin, f) for f in frames if f.time is not None)


def sound(
    path: Path,
    start: float = 0.0,
    end: float = math.inf,
    *,
    rate: int = RATE,
    layout: str,
    track: int | None = None,
) -> Iterator[Block]:
    """Yield the sound between two times without a gap: silence where the file has none.

    `track` is the number of a stream, by default the first one of sound. With an `end`, exactly
    `(end - start) * rate` samples come; without, all up to the last one.
    """
    at = 0
    limit = math.inf if math.isinf(end) else round((end - start) * rate)
    for time, block in _resampled(path, start, rate, layout, track):
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


def _resampled(
    path: Path, start: float, rate: int, layout: str, track: int | None
) -> Iterator[tuple[float, Block]]:
    with opened(path) as container:
        stream = sound_stream(container, track)
        if stream is None:
            return
        begin = origin(container)
        _seek(container, max(0.0, start - PREROLL) + begin)
        frames = _in_one_shape(
            decoded(stream.decode, packets(container, stream), stream.time_base), rate, layout
        )
        timed = ((frame.time - begin, frame) for frame in frames if frame.time is not None)
        for time, frame in plausible(timed):
            yield time, np.nan_to_num(np.asarray(frame.to_ndarray(), np.float32))


def _in_one_shape(
    frames: Iterable[av.AudioFrame], rate: int, layout: str
) -> Iterator[av.AudioFrame]:
    resampler, shape = None, None
    for frame in frames:
        now = (frame.format.name, frame.layout.name, frame.sample_rate)
        if resampler is None or now != shape:  # broadcasts change from 5.1 to stereo and back
            resampler, shape = av.AudioResampler("fltp", layout, rate), now
        yield from resampler.resample(frame)
    if resampler:
        yield from resampler.resample(None)


def packets(container: InputContainer, *streams: VideoStream | AudioStream) -> Iterator[AnyPacket]:
    """Yield packets up to the end, or to where the file is damaged beyond reading on."""
    with suppress(FFmpegError):
        yield from container.demux(*streams)


def decoded(
    decode: "Decode[AnyFrame]", packets: Iterable[AnyPacket], time_base: Fraction | None
) -> Iterator[AnyFrame]:
    """Yield what is in the packets of a stream, and in the end what its decoder held back.

    One that is damaged gives nothing, as in every player. Nor does an empty one: it says that the
    last picture stays, and libav's decoders take it for the end.
    """
    for packet in packets:
        if packet.size:
            yield from _whole(decode, packet)
    for frame in _whole(decode, None):
        frame.time_base = time_base  # with no packet, the decoder does not know it
        yield frame


def _whole(decode: "Decode[AnyFrame]", packet: "AnyPacket | None") -> list[AnyFrame]:
    try:
        return decode(packet)
    except FFmpegError:
        return []


def _seek(container: InputContainer, time: float) -> None:
    if time > origin(container):
        with suppress(FFmpegError):  # a file without an index is read from its beginning
            container.seek(int(time * av.time_base), backward=True)
