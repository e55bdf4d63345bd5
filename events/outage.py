"""Outages: how long to wait for a server that is away, and how little to say about it."""

import random
import re
from collections import Counter
from logging import Logger
from time import monotonic
from typing import ClassVar

from .errors import (
    ArchiveUnavailable,
    CheckpointError,
    LogNotReady,
    LogRefused,
    LogUnavailable,
    SchemaTooNew,
    UnsupportedServer,
)

AWAY = (
    LogUnavailable,
    LogNotReady,
    LogRefused,
    ArchiveUnavailable,
    SchemaTooNew,
    UnsupportedServer,
)
"""What a worker that runs waits for: a server starts again, a replica takes over, the log is
restored, an operator mends what is refused or replaces the worker."""

SHORTEST, LONGEST = 0.1, 1.0


class Outage:
    """Whether a server is away: one line in the log for each reason, one when it is back."""

    met: ClassVar[Counter[str]] = Counter()
    """How many there were in this process, by the error that began them."""

    def __init__(self, logger: Logger) -> None:
        """Report to `logger`."""
        self._logger = logger
        self._since: float | None = None
        self._told: set[str] = set()

    def wait(self, error: CheckpointError) -> float:
        """Return how many seconds to wait before the next try: longer with time, and uneven."""
        if self._since is None:
            self._since = monotonic()
            self.met[type(error).__name__] += 1
        # what follows differs from try to try: the driver's own words, numbers
        reason = re.split("[:(]", str(error), maxsplit=1)[0]
        if reason not in self._told:
            self._told.add(reason)
            self._logger.warning("%s. Trying again until it is back", error)
        lasted = monotonic() - self._since
        # Uneven, so that many workers do not return all at the same moment.
        return min(max(lasted, SHORTEST), LONGEST) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret

    def over(self) -> None:
        """Note that the server answered."""
        if self._since is not None:
            self._logger.info("Back after %.1f s", monotonic() - self._since)
            self._since = None
            self._told.clear()
