"""Stage 3: write down what is said, by PocketSphinx, in US English, without a network.

There is no wheel of PocketSphinx for every Python and processor. Where it is not installed, nothing
is written down, and the stage says so.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

import msgspec
import numpy as np

from .analysis import Analysis
from .files import Report, StoredFile, write_json
from .media import Block, sound
from .validation import Validation

try:
    import pocketsphinx
except ImportError:
    pocketsphinx = None

Endpointer: TypeAlias = "pocketsphinx.Endpointer"
Decoder: TypeAlias = "pocketsphinx.Decoder"

MISSING = (
    "PocketSphinx is not installed, so nothing was written down: pip install pocketsphinx, which "
    "takes a C compiler where it has no wheel, and edit the video under another job id"
)

RATE = 16_000
"""Samples per second that the acoustic model was trained with."""

LONGEST_UTTERANCE = 20.0
"""Seconds after which an utterance is ended: the decoder's memory grows within one."""

SPEECH_LEVEL = -20.0
"""LUFS to which sound is brought before it is listened to."""

LOUDEST_BOOST = 30.0
"""Decibels: more would turn hiss into words."""


class Word(msgspec.Struct, frozen=True):
    """A word with its times in seconds, and the recogniser's confidence from 0 to 1."""

    text: str
    start: float
    end: float
    confidence: float


class Transcription(msgspec.Struct, frozen=True):
    """What was recognised; the words themselves lie in `file`."""

    file: StoredFile
    words: int
    seconds_of_speech: float
    opening: str
    """The first words, for people who look at the checkpoint."""
    missing: str = ""
    """Why nobody listened, if nobody did."""

    def __str__(self) -> str:
        """Say it in a few words."""
        if self.missing:
            return self.missing
        return f"{self.words} words: {self.opening}" if self.words else "nothing is said"


def transcribe(
    source: Path, probe: Validation, analysis: Analysis, target: Path, report: Report
) -> Transcription:
    """Recognise what is said in a video, and write the words. Silence gives an empty transcript."""
    if pocketsphinx is None:
        return Transcription(write_json(target, []), 0, 0.0, "", MISSING)
    gain = boost(analysis.sound.integrated)
    heard = sound(source, rate=RATE, layout="mono", track=probe.sound_track)
    blocks = _reported(heard, probe.duration, report)
    words = list(recognised(pcm(block * gain) for block in blocks))
    return Transcription(
        file=write_json(target, words),
        words=len(words),
        seconds_of_speech=round(sum(word.end - word.start for word in words), 2),
        opening=" ".join(word.text for word in words[:12]),
    )


def boost(loudness: float | None) -> float:
    """Return the factor that brings sound of some LUFS to the level of speech."""
    if loudness is None:
        return 1.0
    return float(10 ** (min(SPEECH_LEVEL - loudness, LOUDEST_BOOST) / 20))


def pcm(block: Block) -> bytes:
    """Return mono sound as 16 bit samples; what is too loud is clipped."""
    return bytes((np.clip(block[0], -1, 1) * 32767).astype(np.int16).tobytes())


def recognised(sound: Iterable[bytes]) -> Iterator[Word]:
    """Yield the words in 16 bit mono sound, utterance by utterance."""
    endpointer = pocketsphinx.Endpointer(sample_rate=RATE)
    decoder = pocketsphinx.Decoder(samprate=RATE, loglevel="FATAL")
    begun: float | None = None
    for piece, speech in _speech(endpointer, sound):
        if begun is None:
            begun = piece
            decoder.start_utt()
        decoder.process_raw(speech)
        if not endpointer.in_speech or piece - begun > LONGEST_UTTERANCE:
            yield from _ended(decoder, begun)
            begun = None
    if begun is not None:
        yield from _ended(decoder, begun)


def _speech(endpointer: Endpointer, sound: Iterable[bytes]) -> Iterator[tuple[float, bytes]]:
    """Yield the pieces of sound in which somebody speaks, with their times."""
    size, heard = int(endpointer.frame_bytes), 0
    for frame in _cut_to(size, sound):
        speech = (endpointer.process if len(frame) == size else endpointer.end_stream)(frame)
        heard += len(frame)
        if speech:
            yield (heard - len(speech)) / 2 / RATE, speech


def _cut_to(size: int, sound: Iterable[bytes]) -> Iterator[bytes]:
    """Yield frames of so many bytes, and in the end a shorter one that is never empty."""
    rest = b""
    for block in sound:
        rest += block
        whole = len(rest) - len(rest) % size
        yield from (rest[at : at + size] for at in range(0, whole, size))
        rest = rest[whole:]
    yield rest or bytes(2)


def _ended(decoder: Decoder, begun: float) -> Iterator[Word]:
    decoder.end_utt()
    frames_per_second = decoder.config["frate"]
    for segment in decoder.seg():
        if segment.word[0] not in "<[+":  # sentence marks, silence and noises
            yield Word(
                text=segment.word.split("(")[0],
                start=round(begun + segment.start_frame / frames_per_second, 2),
                end=round(begun + (segment.end_frame + 1) / frames_per_second, 2),
                confidence=round(min(1.0, segment.prob), 3),
            )


def _reported(blocks: Iterable[Block], duration: float, report: Report) -> Iterator[Block]:
    heard = 0
    for block in blocks:
        yield block
        heard += block.shape[1]
        report(min(1.0, heard / RATE / duration))
