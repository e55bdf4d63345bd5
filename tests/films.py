"""Small videos of every sort, written by libav: a white mark in the top left corner, and a tone."""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from examples.video_editor.media import RATE
from examples.video_editor.movie import encoded, mux

FRAMES_PER_SECOND, BLOCK = 25, 1024


@dataclass(frozen=True)
class Tone:
    """A track of sound: its peak, its layout, and whether players take it by default."""

    level: float = 0.3
    layout: str = "stereo"
    codec: str = "pcm_s16le"
    is_default: bool = False


@dataclass(frozen=True)
class Film:
    """What a video is made of."""

    format: str = "matroska"
    codec: str = "libx264"
    pixels: str = "yuv420p"
    size: tuple[int, int] = (160, 120)
    pictures: int = 30
    tones: tuple[Tone, ...] = (Tone(),)
    times: tuple[int, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    cover: bool = False

    def write(self, path: Path) -> Path:
        """Write it to a file."""
        with av.open(str(path), "w", format=self.format, options=dict(self.options)) as container:
            cover = container.add_stream("png", rate=1) if self.cover else None
            if cover is not None:
                cover.width, cover.height, cover.pix_fmt = *self.size, "rgb24"
                cover.disposition = av.stream.Disposition.attached_pic
            shown = container.add_stream(self.codec, rate=FRAMES_PER_SECOND)
            shown.width, shown.height = self.size
            shown.pix_fmt = self.pixels
            tracks = [encoded(shown, self._frames())]
            for tone in self.tones:
                heard = container.add_stream(tone.codec, rate=RATE, layout=tone.layout)
                heard.disposition = av.stream.Disposition(int(tone.is_default))
                tracks.append(encoded(heard, self._sound(tone)))
            if cover is not None:
                tracks.insert(0, encoded(cover, [av.VideoFrame.from_ndarray(self.picture())]))
            mux(container, *tracks)
        return path

    def picture(self) -> NDArray[np.uint8]:
        """Return the picture: dark, but for the corner at the top left."""
        width, height = self.size
        pixels = np.full((height, width, 3), 40, np.uint8)
        pixels[: max(1, height // 3), : max(1, width // 3)] = 255
        return pixels

    def _frames(self) -> Iterator[av.VideoFrame]:
        for number in self.times or range(self.pictures):
            frame = av.VideoFrame.from_ndarray(self.picture()).reformat(format=self.pixels)
            frame.pts, frame.time_base = number, Fraction(1, FRAMES_PER_SECOND)
            yield frame

    def _sound(self, tone: Tone) -> Iterator[av.AudioFrame]:
        count = RATE * self.pictures // FRAMES_PER_SECOND
        wave = tone.level * np.sin(2 * np.pi * 440 * np.arange(count) / RATE)
        channels = np.stack([wave] * av.AudioLayout(tone.layout).nb_channels)
        samples = (channels.T * 32767).astype(np.int16)
        for begin in range(0, count, BLOCK):
            block = samples[begin : begin + BLOCK].reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout=tone.layout)
            frame.sample_rate, frame.pts, frame.time_base = RATE, begin, Fraction(1, RATE)
            yield frame


def turned(path: Path, matrix: tuple[float, float, float, float]) -> Path:
    """Write a display matrix into a QuickTime file: a, b, c, d as QuickTime has them."""
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4 + 40  # version 0: the matrix follows 40 bytes of other things
    a, b, c, d = (round(one * 0x10000) for one in matrix)
    struct.pack_into(">9i", content, at, a, b, 0, c, d, 0, 0, 0, 0x40000000)
    path.write_bytes(content)
    return path


def with_empty_packets(source: Path, target: Path, numbers: range) -> Path:
    """Copy a video, some of its packets emptied: the picture before is to be seen once more."""
    with av.open(str(source)) as reading, av.open(str(target), "w", format="nut") as container:
        pairs = {s: container.add_stream_from_template(s) for s in reading.streams}
        count = 0
        for packet in reading.demux():
            if not packet.size:
                continue
            is_picture = packet.stream.type == "video"
            kept = packet
            if is_picture and count in numbers:
                kept = av.Packet(b"")
                kept.pts, kept.dts, kept.time_base = packet.pts, packet.dts, packet.time_base
            count += is_picture
            kept.stream = pairs[packet.stream]
            container.mux(kept)
    return target
