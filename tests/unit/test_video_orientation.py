"""Pictures are turned and mirrored as their files ask for, and never squeezed."""

import math
from pathlib import Path

import numpy as np
import pytest
from films import Film, turned

from examples.video_editor.filters import UPRIGHT, PictureFilter
from examples.video_editor.media import pictures
from examples.video_editor.orientation import ALL, Orientation, Turn, nearest
from examples.video_editor.validation import validate

FILM = Film(format="mov", codec="mpeg4", size=(96, 64), pictures=3, tones=())


def seen(path: Path) -> np.ndarray:
    """Return the first picture as it is shown, in black and white."""
    _, frame = next(pictures(path))
    return PictureFilter(("format", "gray"))(frame).to_ndarray() > 150


def meant(orientation: Orientation) -> np.ndarray:
    """Return the film's picture, every pixel where the orientation sends it."""
    picture = FILM.picture()[..., 0] > 150
    height, width = picture.shape
    size = (width, height) if orientation.is_on_its_side else (height, width)
    shown = np.zeros(size, bool)
    down, across = np.nonzero(picture)
    x = orientation.a * across + orientation.c * down
    y = orientation.b * across + orientation.d * down
    shown[y % size[0], x % size[1]] = True  # what goes left or up comes from the other side
    return shown


@pytest.mark.parametrize("orientation", ALL, ids=str)
def test_each_of_the_eight_ways_to_lie_is_put_right(
    tmp_path: Path, orientation: Orientation
) -> None:
    path = turned(FILM.write(tmp_path / "film.mov"), orientation)
    shown, wanted = seen(path), meant(orientation)
    assert shown.shape == wanted.shape
    assert (shown != wanted).mean() < 0.05  # the edges of the mark are soft
    found = validate(path, lambda _: None)
    assert (found.width, found.height) == wanted.shape[::-1]
    assert found.note == ""


@pytest.mark.parametrize("degrees", [10, 45, -45, 80, 135, 170])
@pytest.mark.parametrize("mirror", [1, -1])
def test_a_turn_that_is_no_right_angle_is_left_out_and_said(
    tmp_path: Path, degrees: int, mirror: int
) -> None:
    angle = math.radians(degrees)
    matrix = (
        math.cos(angle) * mirror,
        math.sin(angle) * mirror,
        -math.sin(angle),
        math.cos(angle),
    )
    path = turned(FILM.write(tmp_path / "film.mov"), matrix)
    found = validate(path, lambda _: None)
    assert "degrees of its turn left out" in str(found)
    assert (found.height, found.width) == seen(path).shape
    assert sorted((found.width, found.height)) == [64, 96]
    assert np.count_nonzero(seen(path)) == pytest.approx(meant(ALL[0]).sum(), rel=0.15)


def test_every_orientation_has_its_filters_and_is_nearest_to_itself() -> None:
    assert set(UPRIGHT) == set(ALL)
    for orientation in ALL:
        scaled = [one * 65536 for one in orientation]
        assert nearest(*scaled) == Turn(orientation, 0)


def test_a_matrix_of_nothing_asks_for_nothing() -> None:
    assert nearest(0, 0, 0, 0) == nearest(1, 1, 1, 1) == Turn(ALL[0], 0)
