"""Loudness as EBU R 128 and ITU-R BS.1770 measure it, by libav's `ebur128`."""

import math
from collections.abc import Iterable

import av
import msgspec

from .filters import linked_sound, through

SILENT = -70.0
"""The gate of BS.1770 in LUFS: what is not above it counts as silence."""


class Loudness(msgspec.Struct, frozen=True):
    """A measurement; None stands for silence, which has no finite level."""

    integrated: float | None
    """LUFS"""
    true_peak: float | None
    """dBTP"""
    range: float
    """LU"""

    def __str__(self) -> str:
        """Say it in a few words."""
        return "silence" if self.integrated is None else f"{self.integrated:.1f} LUFS"


class Meter:
    """Reads loudness off sound that passes: `moments` gives the momentary values."""

    def __init__(self) -> None:
        """Start with nothing heard."""
        self._last: dict[str, str] = {}

    def moments(self, frames: Iterable[av.AudioFrame]) -> Iterable[tuple[float, float]]:
        """Yield (time, momentary LUFS) every tenth of a second."""
        for frame in through(linked_sound(("ebur128", "metadata=1:peak=true")), frames):
            if level := frame.metadata.get("lavfi.r128.M"):  # not in a last, shorter frame
                self._last = frame.metadata
                yield frame.time or 0.0, _at_least(SILENT, level)

    def result(self) -> Loudness:
        """Return the loudness of all that has passed."""
        if not self._last:
            return Loudness(None, None, 0.0)
        integrated = float(self._last["lavfi.r128.I"])
        peak = float(self._last["lavfi.r128.true_peak"])
        return Loudness(
            integrated=integrated if integrated > SILENT else None,
            true_peak=round(20 * math.log10(peak), 2) if peak > 0 else None,
            range=_at_least(0.0, self._last["lavfi.r128.LRA"]),
        )


def _at_least(floor: float, text: str) -> float:
    """Read a number; `nan`, which stands for sound without any energy, is the floor."""
    return value if (value := float(text)) > floor else floor


def measured(frames: Iterable[av.AudioFrame]) -> Loudness:
    """Measure sound from beginning to end."""
    meter = Meter()
    for _ in meter.moments(frames):
        pass
    return meter.result()
