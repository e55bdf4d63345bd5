"""libav's filters over pictures and sound, as streams."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from fractions import Fraction

import av
from av.error import BlockingIOError as NothingYetError
from av.error import EOFError as NothingMoreError
from av.filter import Graph
from av.filter.context import FilterContext
from av.video.frame import PictureType

from .media import RATE, Block
from .orientation import turn

Step = tuple[str, str]
"""A filter and its arguments, as ffmpeg's manual has them."""

BT709, UNSPECIFIED, BT601 = 1, 2, 6
HIGH_DEFINITION = 720  # lines from which untagged pictures are meant to be BT.709

UPRIGHT: dict[tuple[int, int, int, int], tuple[Step, ...]] = {
    (1, 0, 0, 1): (),
    (0, 1, -1, 0): (("transpose", "clock"),),
    (-1, 0, 0, -1): (("hflip", ""), ("vflip", "")),
    (0, -1, 1, 0): (("transpose", "cclock"),),
    (1, 0, 0, -1): (("vflip", ""),),
    (-1, 0, 0, 1): (("hflip", ""),),
    (0, 1, 1, 0): (("transpose", "cclock_flip"),),
    (0, -1, -1, 0): (("transpose", "clock_flip"),),
}
"""The filters that do what an orientation asks for."""

STANDARD: tuple[Step, ...] = (
    ("scale", "out_color_matrix=bt709:out_range=tv"),
    ("format", "yuv420p"),
)
"""The pictures of every file that the editor writes: BT.709, limited range, 8 bit, 4:2:0."""


def scaled(width: int, height: int) -> tuple[Step, ...]:
    """Return the filters to a size in square pixels."""
    return (("scale", f"{width}:{height}:flags=bicubic"), ("setsar", "1"))


def thumbnail(width: int, height: int) -> tuple[Step, ...]:
    """Return the filters to a small RGB picture whose pixels are means of the large one's."""
    return (("scale", f"{width}:{height}:flags=area"), ("format", "rgb24"))


class PictureFilter:
    """Filters that give one picture for each; upright first, whatever the camera's position."""

    def __init__(self, *steps: Step) -> None:
        """Take the filters in their order."""
        self._steps = steps
        self._shape: tuple[object, ...] | None = None
        self._graph = Graph()

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Return the filtered picture, with no time stamp and no wish for a frame type."""
        if frame.colorspace == UNSPECIFIED and not frame.format.is_rgb:
            frame.colorspace = BT709 if frame.height >= HIGH_DEFINITION else BT601
        orientation = turn(frame).orientation
        shape = (
            frame.width,
            frame.height,
            frame.format.name,
            frame.colorspace,
            frame.color_range,
            orientation,
        )
        if shape != self._shape:
            self._graph, self._shape = self._built(frame, UPRIGHT[orientation]), shape
        self._graph.vpush(frame)
        result = self._graph.vpull()
        result.pict_type = PictureType.NONE
        return result

    def _built(self, frame: av.VideoFrame, upright: tuple[Step, ...]) -> Graph:
        source = (
            f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}"
            f":time_base=1/1000000:colorspace={frame.colorspace}:range={frame.color_range}"
        )
        return _linked(("buffer", source), *upright, *self._steps)


def linked_sound(*steps: Step) -> Graph:
    """Build a graph for stereo sound at the editor's rate."""
    source = f"sample_rate={RATE}:sample_fmt=fltp:channel_layout=stereo:time_base=1/{RATE}"
    return _linked(("abuffer", source), *steps)


def _linked(*steps: Step) -> Graph:
    graph = Graph()
    sink = "abuffersink" if steps[0][0] == "abuffer" else "buffersink"
    nodes: list[FilterContext] = [graph.add(name, args) for name, args in (*steps, (sink, ""))]
    graph.link_nodes(*nodes).configure()
    return graph


def through(graph: Graph, frames: Iterable[av.AudioFrame]) -> Iterator[av.AudioFrame]:
    """Yield what a graph makes of the frames, those it held back at the end included."""
    for frame in frames:
        graph.push(frame)
        yield from _ready(graph)
    graph.push(None)
    yield from _ready(graph)


def _ready(graph: Graph) -> Iterator[av.AudioFrame]:
    with suppress(NothingYetError, NothingMoreError):
        while True:
            frame = graph.pull()
            if isinstance(frame, av.AudioFrame):
                yield frame


def sound_frames(blocks: Iterable[Block]) -> Iterator[av.AudioFrame]:
    """Yield stereo blocks as frames that follow each other without a gap."""
    at = 0
    for block in blocks:
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
        frame.sample_rate = RATE
        frame.time_base = Fraction(1, RATE)
        frame.pts = at
        at += frame.samples
        yield frame
