"""Make sample.mp4: four drawn scenes and a synthetic voice, with a colour cast and too quiet.

Needs `flite` (Debian: apt-get install flite), whose voices are free. Run it from the root::

    python -m examples.video_editor.sample.make_sample
"""

# ruff: noqa: PLR2004  # a drawing is made of numbers

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from examples.video_editor.filters import STANDARD, PictureFilter, sound_frames
from examples.video_editor.media import RATE, Block, sound
from examples.video_editor.movie import (
    add_pictures,
    add_sound,
    encoded,
    mux,
    numbered,
    writing,
)

TARGET = Path(__file__).with_name("sample.mp4")
WIDTH, HEIGHT = 640, 360
FRAME_RATE = Fraction(25)
DURATION = 20

CAST = np.array([1.0, 0.86, 0.70])
"""Red, green, blue: the light of an old bulb."""

FADED = 0.72, 22.0
"""Contrast and haze of a cheap camera."""

VOICE = "rms"
LEVEL, HISS = 0.05, 0.0004
SENTENCES = {
    0.6: "Good morning everyone, and welcome to the show.",
    4.6: "People want to know what happened to the money.",
    7.4: "Nothing that was done is ever lost.",
    14.6: "This is the last part of the program.",
    17.4: "We will be back in a few minutes.",
}
"""What is said, by the second at which it begins."""

Plane = NDArray[np.float64]
Scene = Callable[[float], tuple[Plane, Plane, Plane]]

down, across = np.mgrid[0 : 1 : HEIGHT * 1j, 0 : WIDTH / HEIGHT : WIDTH * 1j]


def sunrise(time: float) -> tuple[Plane, Plane, Plane]:
    """Draw a sun that rises behind hills."""
    sun = np.hypot(across - 1.2, down - 0.75 + 0.11 * time) < 0.12
    glow = np.exp(-2.5 * np.hypot(across - 1.2, down - 0.75 + 0.11 * time))
    hills = down > 0.72 + 0.08 * np.sin(4 * across + 0.5) + 0.03 * np.sin(11 * across)
    red, green, blue = 0.35 + 0.6 * glow, 0.45 + 0.35 * glow, 0.75 - 0.2 * down
    lit = [np.where(sun, 1.0, plane) for plane in (red, green, blue * 0.9)]
    return (
        np.where(hills, 0.1, lit[0]),
        np.where(hills, 0.42 - 0.2 * down, lit[1]),
        np.where(hills, 0.12, lit[2]),
    )


def sea(time: float) -> tuple[Plane, Plane, Plane]:
    """Draw a boat on waves."""
    wave = 0.55 + 0.03 * np.sin(9 * across + 3 * time) + 0.015 * np.sin(23 * across - 5 * time)
    x, y = across - 0.2 - 0.14 * time, down - 0.5 - 0.03 * np.sin(3 * time)
    sail = (x > 0) & (x < 0.5 * (y + 0.34)) & (y < 0.02)
    hull = (np.abs(x) < 0.17 - 0.6 * (y - 0.04)) & (y > 0.04) & (y < 0.1)
    water = down > wave
    crest = np.clip(1 - 30 * np.abs(down - wave), 0, 1)
    red = np.where(water, 0.03 + 0.7 * crest, 0.62 + 0.3 * down)
    green = np.where(water, 0.28 + 0.55 * crest, 0.78 + 0.15 * down)
    blue = np.where(water, 0.5 - 0.2 * down + 0.5 * crest, 0.97 + 0 * down)
    for plane, sail_tone, hull_tone in ((red, 1.0, 0.6), (green, 0.98, 0.12), (blue, 0.95, 0.1)):
        plane[sail], plane[hull] = sail_tone, hull_tone
    return red, green, blue


def wall(_time: float) -> tuple[Plane, Plane, Plane]:
    """Draw a wall on which nothing happens: the part to be cut out."""
    shade = 0.5 - 0.15 * np.hypot(across - 0.9, down - 0.5)
    mortar = (down * 12 % 1 < 0.06) | ((across * 6 + np.floor(down * 12) / 2) % 1 < 0.04)
    shade = np.where(mortar, shade * 0.8, shade)
    return shade, shade, shade


def city(time: float) -> tuple[Plane, Plane, Plane]:
    """Draw houses at night, windows that go on and off, and a train."""
    column = np.floor(across * 6)
    house = down > 0.3 + 0.22 * np.abs(np.sin(column * 2.3))
    window = house & (down < 0.8) & (across * 18 % 1 < 0.55) & (down * 14 % 1 < 0.5)
    lamp = np.sin(np.floor(across * 18) * 12.9 + np.floor(down * 14) * 78.2 + np.floor(time * 2))
    lit = window & (lamp > 0)
    train = (np.abs(down - 0.88) < 0.05) & ((across - 0.7 * time) % 2.2 < 1.3)
    pane = train & (np.abs(down - 0.87) < 0.02) & ((across - 0.7 * time) * 9 % 1 < 0.6)
    tones = ((0.05, 0.10, 1.0, 0.75), (0.06, 0.10, 0.85, 0.78), (0.2 - 0.1 * down, 0.13, 0.4, 0.8))
    red, green, blue = (
        np.select([pane, train, lit, house], [1.0, carriage, light, stone], sky)
        for sky, stone, light, carriage in tones
    )
    return red, green, blue


SCENES: tuple[tuple[float, Scene], ...] = ((4, sunrise), (10, sea), (14, wall), (DURATION, city))
"""Each scene with the second at which it ends."""


def drawn() -> Iterator[av.VideoFrame]:
    """Yield all pictures of the video."""
    convert = PictureFilter(*STANDARD)
    for number in range(int(DURATION * FRAME_RATE)):
        time = float(number / FRAME_RATE)
        scene = next(scene for end, scene in SCENES if time < end)
        begun = max((end for end, _ in SCENES if end <= time), default=0.0)
        contrast, haze = FADED
        light = np.clip(np.stack(scene(time - begun), axis=-1), 0, 1)
        pixels = (haze + 255 * contrast * light * CAST).clip(0, 255).astype(np.uint8)
        yield convert(av.VideoFrame.from_ndarray(pixels, format="rgb24"))


def spoken() -> Iterator[Block]:
    """Yield the voice over a little hiss, a second at a time."""
    noise = np.random.default_rng(1).standard_normal(DURATION * RATE) * HISS
    track = noise.astype(np.float32)
    for begin, sentence in SENTENCES.items():
        voice = np.concatenate([block[0] for block in say(sentence)])
        first = int(begin * RATE)
        track[first : first + len(voice)] += LEVEL * voice / np.abs(voice).max()
    for second in range(DURATION):
        mono = track[second * RATE : (second + 1) * RATE]
        yield np.ascontiguousarray(np.stack([mono, mono]))


def say(sentence: str) -> list[Block]:
    """Return a sentence as a synthetic voice says it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "voice.wav"
        command = ("flite", "-voice", VOICE, "-t", sentence, "-o", str(path))
        subprocess.run(command, check=True)
        return list(sound(path, layout="mono"))


def main() -> None:
    """Draw, speak and write the video."""
    with writing(TARGET, "mp4", movflags="+faststart") as container:
        options = {"crf": "27", "preset": "veryslow"}
        shown = add_pictures(container, (WIDTH, HEIGHT), FRAME_RATE, options)
        heard = add_sound(container, "aac", 64_000)
        mux(
            container,
            encoded(shown, numbered(drawn(), FRAME_RATE)),
            encoded(heard, sound_frames(spoken())),
        )


if __name__ == "__main__":
    main()
