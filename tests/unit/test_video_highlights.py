"""Which parts of a video are chosen, and where they are cut."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.video_editor.analysis import Seconds, Timeline, find_cuts
from examples.video_editor.highlight_detection import (
    LONGEST_REEL,
    LONGEST_SHOT,
    SHORTEST_REEL,
    Segment,
    best,
    between_words,
    detect,
    divided,
    joined,
    on_picture,
    score,
)
from examples.video_editor.transcription import Word

FILM = Fraction(24000, 1001)
TEN = Fraction(10)


def word(start: float, end: float) -> Word:
    return Word("word", start, end, 1.0)


def test_a_cut_is_one_great_change_and_a_pan_is_none() -> None:
    still = [(n / 25, 0.5) for n in range(25)]
    cut = [(1.0, 40.0)]
    pan = [(2 + n / 25, 30.0) for n in range(25)]
    assert find_cuts([*still, *cut, (1.04, 0.5), *pan]) == [1.0, 2.0]


def test_a_flash_is_one_cut_at_most() -> None:
    assert find_cuts([(1.0, 0.0), (1.04, 50.0), (1.08, 0.0), (1.12, 50.0)]) == [1.04]


def test_seconds_have_means_and_a_default() -> None:
    seconds = Seconds(3)
    for time, value in ((0.1, 1.0), (0.9, 3.0), (2.5, 7.0), (9.0, 9.0), (-1.0, 2.0)):
        seconds.add(time, value)
    assert seconds.means(-70.0) == [2.0, -70.0, 8.0]


def test_speech_loudness_and_motion_all_raise_the_score() -> None:
    timeline = Timeline([], motion=[0.0, 0.0, 0.0, 4.0], loudness=[-70.0, -70.0, -20.0, -20.0])
    nothing, speech, sound, all_of_it = score(timeline, [word(1.0, 2.0), word(3.0, 4.0)])
    assert nothing == 0.0
    assert speech == pytest.approx(0.5)
    assert sound == pytest.approx(0.25)
    assert all_of_it == pytest.approx(1.0)


def test_a_silent_still_video_has_no_score_and_is_shown_from_its_beginning() -> None:
    timeline = Timeline([], motion=[0.0] * 20, loudness=[-70.0] * 20)
    assert score(timeline, []) == [0.0] * 20
    found = detect(timeline, [], 20.0, Fraction(25))
    assert found.segments == [Segment(0.0, 10.0, 0.0)]


def test_a_long_shot_is_divided_between_words() -> None:
    assert divided(0.0, 20.0, [word(6.0, 7.0)]) == pytest.approx([0.0, 6.0, 40 / 3, 20.0])


def test_a_time_within_a_word_goes_back_to_its_beginning() -> None:
    words = [word(1.0, 2.0), word(3.0, 4.0)]
    assert between_words(3.5, words) == 3.0
    assert between_words(2.5, words) == 2.5
    assert between_words(4.0, words) == 4.0


def test_the_best_come_first_and_are_shown_in_order() -> None:
    parts = [Segment(0.0, 4.0, 0.2), Segment(4.0, 8.0, 0.9), Segment(8.0, 12.0, 0.5)]
    assert best(parts, 6.0, [], TEN) == [Segment(4.0, 8.0, 0.9), Segment(8.0, 10.0, 0.5)]
    assert best(parts, 6.0, [word(9.5, 10.5)], TEN)[-1] == Segment(8.0, 9.5, 0.5)


def test_neighbours_become_one_segment() -> None:
    parts = [Segment(0.0, 1.0, 1.0), Segment(1.0, 4.0, 0.5), Segment(5.0, 6.0, 0.1)]
    assert joined(parts) == [Segment(0.0, 4.0, 0.625), Segment(5.0, 6.0, 0.1)]


def test_an_edge_lies_on_the_nearest_picture() -> None:
    assert on_picture(1.001, FILM) * FILM == pytest.approx(24)
    assert on_picture(1.03, FILM) * FILM == pytest.approx(25)


@given(
    cuts=st.lists(st.floats(0.1, 299), max_size=20),
    starts=st.lists(st.floats(0, 299), max_size=40),
    duration=st.floats(0.05, 300),
    rate=st.sampled_from([Fraction(25), FILM, Fraction(60), Fraction(10)]),
)
def test_segments_are_ordered_apart_within_the_video_and_within_the_budget(
    cuts: list[float], starts: list[float], duration: float, rate: Fraction
) -> None:
    seconds = int(duration) + 1
    timeline = Timeline(
        sorted(cuts),
        motion=[float(n % 3) for n in range(seconds)],
        loudness=[-30.0 - n % 5 for n in range(seconds)],
    )
    words = [word(start, start + 0.4) for start in sorted(starts)]
    found = detect(timeline, words, duration, rate)
    picture = 1 / float(rate) + 1e-6
    assert found.segments
    assert found.segments[0].start >= 0
    assert found.segments[-1].end <= duration + picture
    assert all(segment.end > segment.start for segment in found.segments)
    assert all(first.end < second.start for first, second in pairwise(found.segments))
    total = sum(segment.end - segment.start for segment in found.segments)
    assert found.duration == pytest.approx(total, abs=1e-3)
    budget = min(max(SHORTEST_REEL, duration / 2), LONGEST_REEL)
    assert total <= budget + picture


@given(st.floats(0.01, 100))
def test_no_part_of_a_shot_is_longer_than_it_may_be(end: float) -> None:
    assert all(b - a <= LONGEST_SHOT + 1e-9 for a, b in pairwise(divided(0.0, end, [])))
