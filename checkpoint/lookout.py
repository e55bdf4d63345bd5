"""The lookout: a worker warns in its log of what gets worse while nobody looks."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from checkpoint.events.errors import CheckpointError
from checkpoint.events.server import FULL, describe_fullness, fullness
from checkpoint.events.settings import Settings

from .readings import Reading, read_redis
from .servers import Servers

LOOK_SECONDS = 10.0
OLD_SECONDS = 60.0
"""The age of the oldest unarchived entry from which on an operator is warned."""


class Rising:
    """Tells when a value reaches a level, and each higher one; anew once it was below the first."""

    def __init__(self, first: float, following: Callable[[float], float]) -> None:
        """Take the first level, and how the next one follows from each."""
        self._first = self._next = first
        self._following = following

    def reaches(self, value: float) -> bool:
        """Say whether a level is reached that was not before."""
        if value < self._first:
            self._next = self._first
        reached = value >= self._next
        while value >= self._next:
            self._next = self._following(self._next)
        return reached


class Lookout:
    """What was warned of already."""

    def __init__(self, *, has_archive: bool) -> None:
        """Look at the archive too, if there is one."""
        self._memory = Rising(FULL, lambda level: level + 0.05)
        self._age = Rising(OLD_SECONDS, lambda level: 2 * level)
        self._has_archive = has_archive

    def warnings(self, reading: Reading) -> Iterator[str]:
        """Yield what is worse than it was."""
        full = fullness(reading.memory_bytes, reading.memory_limit_bytes)
        if self._memory.reaches(full):
            yield describe_fullness(full)
        if self._has_archive and self._age.reaches(reading.oldest_unarchived):
            yield describe_age(reading.oldest_unarchived)


def describe_age(seconds: float) -> str:
    """Say what it means that the archive is behind."""
    return (
        f"The oldest entry that the archive lacks is {seconds:.0f} s old: until it is archived, "
        "the log grows, and a loss of Redis would take it. See that a snapshotter runs and "
        "Postgres answers"
    )


def look_out(settings: Settings, tell: Callable[[str], None]) -> None:
    """Warn through `tell`, for ever."""
    servers = Servers(settings)
    lookout = Lookout(has_archive=settings.postgres_url is not None)
    while True:
        with suppress(CheckpointError):  # a server that is away is others' to tell of
            for warning in lookout.warnings(servers.run(read_redis(settings.namespace))):
                tell(warning)
        time.sleep(LOOK_SECONDS)
