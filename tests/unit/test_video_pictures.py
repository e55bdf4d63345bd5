"""Pictures and sound between files: time, size, colour, level."""

from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.video_editor.color_correction import (
    FURTHEST,
    STRONGEST,
    Histogram,
    cast,
    corrected,
    find_levels,
    percentile,
)
from examples.video_editor.editing import length, on_grid
from examples.video_editor.filters import PictureFilter, sound_frames
from examples.video_editor.highlight_detection import Segment
from examples.video_editor.loudness import Loudness, measured
from examples.video_editor.media import LONGEST_STILL, RATE, plausible, silence
from examples.video_editor.transcription import boost, pcm
from examples.video_editor.validation import frame_rate, upright

TEN = Fraction(10)


def test_a_constant_rate_is_kept_picture_by_picture() -> None:
    shown = [(n / 25 + 0.0004 * (-1) ** n, n) for n in range(100)]
    assert list(on_grid(shown, 1.0, 25, Fraction(25))) == list(range(25, 50))


def test_a_picture_that_stays_is_repeated_and_one_too_many_is_left_out() -> None:
    shown = [(0.0, "a"), (0.5, "b"), (0.51, "c"), (0.52, "d")]
    assert "".join(on_grid(shown, 0.0, 8, TEN)) == "aaaaaddd"


def test_a_picture_begun_before_the_cut_is_seen_after_it() -> None:
    assert "".join(on_grid([(0.0, "a"), (9.0, "b")], 5.0, 3, TEN)) == "aaa"


def test_pictures_that_begin_late_or_end_early_still_fill_the_time() -> None:
    assert "".join(on_grid([(0.3, "a"), (0.4, "b")], 0.0, 7, TEN)) == "aaaabbb"
    assert list(on_grid([], 0.0, 7, TEN)) == []


@given(st.lists(st.floats(0, 50), min_size=1), st.integers(1, 200), st.floats(0, 40))
def test_a_segment_has_all_its_pictures_whatever_the_source(
    times: list[float], count: int, start: float
) -> None:
    assert len(list(on_grid([(t, t) for t in sorted(times)], start, count, TEN))) == count


def test_the_number_of_pictures_is_that_of_the_segment() -> None:
    film = Fraction(24000, 1001)
    assert length(Segment(float(24 / film), float(72 / film), 0.0), film) == 48


@pytest.mark.parametrize(
    ("found", "used"),
    [
        (None, Fraction(25)),
        (Fraction(30000, 1001), Fraction(30000, 1001)),
        (Fraction(1), Fraction(10)),
        (Fraction(240), Fraction(60)),
        (Fraction(90000), Fraction(60)),
    ],
)
def test_the_rate_is_one_that_can_be_cut_at(found: Fraction | None, used: Fraction) -> None:
    assert frame_rate(found) == used


@pytest.mark.parametrize(
    ("size", "aspect", "rotation", "seen"),
    [
        ((1920, 1080), Fraction(1), 0, (1920, 1080)),
        ((1920, 1080), Fraction(1), -90, (1080, 1920)),
        ((720, 576), Fraction(16, 11), 0, (1046, 576)),
        ((321, 241), Fraction(1), 180, (320, 240)),
        ((1, 1), Fraction(1), 0, (2, 2)),
    ],
)
def test_sizes_are_even_upright_and_in_square_pixels(
    size: tuple[int, int], aspect: Fraction, rotation: int, seen: tuple[int, int]
) -> None:
    assert upright(*size, aspect, rotation) == seen


def test_what_comes_long_after_everything_else_is_left_out() -> None:
    late = LONGEST_STILL + 2
    timed = [(0.0, "a"), (1.0, "b"), (late, "c"), (2.0, "d"), (1.5, "e")]
    assert "".join(item for _, item in plausible(timed)) == "abde"
    assert [item for _, item in plausible([(9000.0, "a")])] == ["a"]


@pytest.mark.parametrize("samples", [0, 1, RATE, 2 * RATE + 7])
def test_silence_is_as_long_as_asked_for(samples: int) -> None:
    blocks = list(silence(2, samples))
    assert sum(block.shape[1] for block in blocks) == samples
    assert not any(block.any() for block in blocks)


def test_speech_is_raised_to_its_level_but_hiss_not_to_the_sky() -> None:
    assert boost(None) == 1.0
    assert boost(-20.0) == pytest.approx(1.0)
    assert boost(-40.0) == pytest.approx(10.0)
    assert boost(-69.0) == pytest.approx(10**1.5)


def test_what_is_too_loud_is_clipped() -> None:
    block = np.array([[0.0, 2.0, -2.0]], np.float32)
    assert np.frombuffer(pcm(block), np.int16).tolist() == [0, 32767, -32767]


def sine(level: float, seconds: int = 3) -> list[np.ndarray]:
    """Return a stereo tone of 1 kHz, in blocks of a second."""
    wave = level * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    return [np.stack([wave, wave]).astype(np.float32)] * seconds


def test_the_meter_agrees_with_the_standard_on_its_reference_tone() -> None:
    # EBU Tech 3341, case 1: a stereo sine of 1 kHz at -23 dBFS measures -23 LUFS
    loudness = measured(sound_frames(sine(10 ** (-23 / 20))))
    assert loudness.integrated == pytest.approx(-23.0, abs=0.1)
    assert loudness.true_peak == pytest.approx(-23.0, abs=0.1)


def test_silence_and_no_sound_have_no_level() -> None:
    assert measured([]) == Loudness(None, None, 0.0)
    silent = measured(sound_frames(silence(2, 3 * RATE)))
    assert silent.integrated is None
    assert silent.true_peak is None


def tinted(*white: float, contrast: float = 1.0) -> Histogram:
    """Return the histogram of a grey ramp under a coloured light."""
    ramp = np.linspace(0, 255 * contrast, 10_000)
    return np.stack([np.bincount((ramp * w).astype(int), minlength=256) for w in white])


def test_a_cast_is_seen_and_taken_out() -> None:
    counts = tinted(1.0, 0.9, 0.8)
    assert cast(counts) == pytest.approx(51, abs=2)
    red, _, blue = find_levels(counts)
    assert blue.white < red.white
    assert (blue.to_white - blue.to_black) / (blue.white - blue.black) == pytest.approx(
        1.25, abs=0.03
    )


def test_a_sunset_is_left_red_and_a_night_dark() -> None:
    gains = [
        (level.to_white - level.to_black) / (level.white - level.black)
        for level in find_levels(tinted(1.0, 0.3, 0.1))
    ]
    assert max(gains) / min(gains) <= FURTHEST + 0.05
    night = find_levels(tinted(1.0, 1.0, 1.0, contrast=0.1))
    assert night[0].to_white <= 255 * 0.1 * STRONGEST + 10


def test_a_picture_of_one_colour_is_no_division_by_zero() -> None:
    flat = np.zeros((3, 256), np.int64)
    flat[:, 128] = 1000
    assert [level.white > level.black for level in find_levels(flat)] == [True] * 3


def test_a_percentile_is_where_the_share_lies() -> None:
    counts = np.zeros(256, np.int64)
    counts[[10, 20]] = 90, 10
    assert percentile(counts, 0.5) == 10
    assert percentile(counts, 0.95) == 20


def test_the_filters_do_what_the_levels_say() -> None:
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[...] = 100, 80, 60
    levels = find_levels(tinted(1.0, 0.8, 0.8))
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
    seen = PictureFilter(*corrected(levels), ("format", "rgb24"))(frame).to_ndarray()[0, 0]
    meant = [
        level.to_black
        + (value - level.black) * (level.to_white - level.to_black) / (level.white - level.black)
        for value, level in zip((100, 80, 60), levels, strict=True)
    ]
    assert seen.tolist() == pytest.approx(meant, abs=1)
