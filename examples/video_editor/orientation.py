"""How a picture is to be turned and mirrored before it is shown, by the file's display matrix."""

import math
import struct
from typing import NamedTuple

import av
from av.sidedata.sidedata import SideData

FIXED = struct.Struct("=9i")
TOLERANCE = 1.0
"""Degrees from a right angle that are taken for one, as in every player."""


class Orientation(NamedTuple):
    """Where a pixel goes: across = a * x + c * y, down = b * x + d * y; each is -1, 0 or 1."""

    a: int
    b: int
    c: int
    d: int

    @property
    def is_on_its_side(self) -> bool:
        """Whether width and height change places."""
        return not self.a

    @property
    def is_mirrored(self) -> bool:
        """Whether it is flipped, beside being turned."""
        return self.a * self.d - self.b * self.c < 0


AS_IT_LIES = Orientation(1, 0, 0, 1)
ALL = (
    AS_IT_LIES,
    Orientation(0, 1, -1, 0),
    Orientation(-1, 0, 0, -1),
    Orientation(0, -1, 1, 0),
    Orientation(1, 0, 0, -1),
    Orientation(-1, 0, 0, 1),
    Orientation(0, 1, 1, 0),
    Orientation(0, -1, -1, 0),
)
"""The four turns, clockwise, and the four of a mirror image."""


class Turn(NamedTuple):
    """What a display matrix asks for, and by how many degrees it is more than a right angle."""

    orientation: Orientation
    oblique: int


def turn(frame: av.VideoFrame) -> Turn:
    """Read a picture's display matrix; what is not turned by right angles goes to the nearest."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if not isinstance(data, SideData) or data.buffer_size != FIXED.size:
        return Turn(AS_IT_LIES, 0)
    a, b, _, c, d, *_ = FIXED.unpack(bytes(data))
    return nearest(a, b, c, d)


def nearest(a: float, b: float, c: float, d: float) -> Turn:
    """Return the orientation that is nearest to a matrix; a degenerate one asks for nothing."""
    if math.isclose(determinant := a * d - b * c, 0):
        return Turn(AS_IT_LIES, 0)
    alike = [one for one in ALL if one.is_mirrored == (determinant < 0)]
    found = max(alike, key=lambda one: _closeness((a, b, c, d), one))
    turned = math.atan2(found.a * b - found.b * a, found.a * a + found.b * b)
    oblique = abs(round(math.degrees(turned)))
    return Turn(found, oblique if oblique > TOLERANCE else 0)


def _closeness(matrix: tuple[float, ...], orientation: Orientation) -> float:
    return sum(one * other for one, other in zip(matrix, orientation, strict=True))
