"""The ten ratios, a module each: what it is to reach (`AIMS`), and its measurement."""

from types import ModuleType

from . import (
    batch,
    durable,
    growth,
    idle,
    lookup,
    projector,
    replay,
    save,
    size,
    snapshotter,
)

RATIOS: tuple[ModuleType, ...] = (
    save,
    durable,
    lookup,
    batch,
    projector,
    snapshotter,
    replay,
    size,
    growth,
    idle,
)
"""In their order, 1 to 10. Each has `AIMS` and `measure(bench) -> Iterator[Row]`."""
