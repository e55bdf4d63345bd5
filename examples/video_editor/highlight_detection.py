"""Stage 4: choose what is worth seeing: people speak, it is loud, something moves."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Protocol

import msgspec
import numpy as np

from .analysis import Timeline
from .loudness import SILENT
from .transcription import Word

SHARE = 0.5
"""Share of the video that is kept at most, within the two limits below."""

SHORTEST_REEL, LONGEST_REEL = 6.0, 180.0
LONGEST_SHOT = 8.0
"""Seconds; a longer shot is divided and its parts judged on their own."""

SHORTEST_PART = 1.0
"""Seconds: less is not left of a segment when the last one to fit is shortened."""

SPEECH, LOUDNESS, MOTION = 0.5, 0.25, 0.25
"""Weights of the score; they add up to 1."""

QUIET = 20.0
"""LU below the loudest second that count as nothing."""

LIVELY = 90
"""The percentile of a video's own motion that counts in full: a lecture moves less than a match."""


class Span(Protocol):
    """Anything with a beginning and an end in seconds."""

    @property
    def start(self) -> float:
        """When it begins."""

    @property
    def end(self) -> float:
        """When it ends."""


class Segment(msgspec.Struct, frozen=True):
    """A part of the source: times in seconds, score from 0 to 1."""

    start: float
    end: float
    score: float


class Highlights(msgspec.Struct, frozen=True):
    """The chosen segments in their order, and how many were judged."""

    segments: list[Segment]
    duration: float
    candidates: int

    def __str__(self) -> str:
        """Say it in a few words."""
        return f"{len(self.segments)} segments, {self.duration:.1f} s in all"


def detect(
    timeline: Timeline, words: Sequence[Word], duration: float, rate: Fraction
) -> Highlights:
    """Choose the best parts of a video, cut between words and on its pictures."""
    scores = score(timeline, words)
    shots = pairwise([0.0, *(cut for cut in timeline.cuts if 0 < cut < duration), duration])
    edges = {on_picture(edge, rate) for shot in shots for edge in divided(*shot, words)}
    edges.add(max(on_picture(duration, rate), float(1 / rate)))
    judged = [Segment(a, b, _mean_over(scores, a, b)) for a, b in pairwise(sorted(edges))]
    budget = min(max(SHORTEST_REEL, SHARE * duration), LONGEST_REEL)
    chosen = joined(best(judged, budget, words, rate))
    total = sum(segment.end - segment.start for segment in chosen)
    return Highlights(chosen, round(total, 6), len(judged))


def score(timeline: Timeline, words: Sequence[Word]) -> list[float]:
    """Return the worth of every second, from 0 to 1."""
    speech = np.zeros(len(timeline.motion))
    for word in words:
        for second in range(int(word.start), min(int(word.end) + 1, len(speech))):
            speech[second] += max(0.0, min(word.end, second + 1) - max(word.start, second))
    loudness = np.asarray(timeline.loudness)
    heard = np.clip((loudness - loudness.max() + QUIET) / QUIET, 0, 1) * (loudness > SILENT)
    lively = max(float(np.percentile(timeline.motion, LIVELY)), 0.1)
    moving = np.clip(np.asarray(timeline.motion) / lively, 0, 1)
    total = SPEECH * np.minimum(speech, 1) + LOUDNESS * heard + MOTION * moving
    return [float(value) for value in total]


def divided(start: float, end: float, words: Sequence[Span]) -> list[float]:
    """Return the edges of the parts of a shot, none longer than it may be, between words."""
    parts = int(np.ceil((end - start) / LONGEST_SHOT)) or 1
    inner = (start + (end - start) * part / parts for part in range(1, parts))
    return [start, *(between_words(edge, words) for edge in inner), end]


def between_words(time: float, words: Sequence[Span]) -> float:
    """Return the time itself, or the beginning of the word that is being said then."""
    return next((word.start for word in words if word.start < time < word.end), time)


def best(
    segments: Sequence[Segment], budget: float, words: Sequence[Span], rate: Fraction
) -> list[Segment]:
    """Return the best segments that fit into so many seconds, in the order of the video.

    The last one to fit is shortened, but never within a word.
    """
    chosen: list[Segment] = []
    for segment in sorted(segments, key=lambda segment: (-segment.score, segment.start)):
        room = budget - sum(part.end - part.start for part in chosen)
        end = segment.end
        if end - segment.start > room:
            end = on_picture(between_words(segment.start + room, words), rate)
            if end - segment.start < SHORTEST_PART:
                break
        chosen.append(Segment(segment.start, end, round(segment.score, 4)))
    return sorted(chosen, key=lambda segment: segment.start)


def on_picture(time: float, rate: Fraction) -> float:
    """Return the time of the nearest picture at a constant rate."""
    return float(round(time * rate) / rate)


def joined(segments: Sequence[Segment]) -> list[Segment]:
    """Make one of segments that touch; the score is the mean over both."""
    result: list[Segment] = []
    for segment in segments:
        if result and segment.start <= result[-1].end:
            before = result.pop()
            long, more = before.end - before.start, segment.end - segment.start
            mean = (before.score * long + segment.score * more) / (long + more)
            result.append(Segment(before.start, segment.end, round(mean, 4)))
        else:
            result.append(segment)
    return result


def _mean_over(scores: Sequence[float], start: float, end: float) -> float:
    covered = scores[int(start) : max(int(np.ceil(end)), int(start) + 1)]
    return float(np.mean(covered)) if covered else 0.0
