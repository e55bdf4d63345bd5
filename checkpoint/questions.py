"""Questions to archive and spool: they know no deadline, so they wait in threads of their own.

Who asks goes on at the deadline of the call. What was asked of Postgres is cut then; what was asked
of the spool's file ends by itself.
"""

import threading
from collections.abc import Callable
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any
from weakref import finalize

from checkpoint.events.errors import (
    ArchiveNotConfigured,
    ArchiveUnavailable,
    SpoolUnavailable,
)
from checkpoint.events.forks import make_anew_after_fork
from checkpoint.events.settings import Settings
from checkpoint.events.threads import Threads, async_result, result

if TYPE_CHECKING:
    from checkpoint.snapshotter.archive import Archive

ARCHIVE_THREADS = 4
"""So many connections to Postgres may a manager have: one that hangs stops no other."""
SPOOL_THREADS = 4
SPOOL_SECONDS = 2.0
"""The spool has so long, or half a call's time, if the call's deadline comes before: what Redis did
not take until then is spooled only then, and what waits for the disk would be lost."""


class Questions:
    """Asks archive and spool for one manager, in blocking code and in asyncio. Thread-safe."""

    def __init__(self, settings: Settings, limit: float | None) -> None:
        """Take the archive's address, and how many seconds a call may take, if that is limited."""
        self._archive = ArchiveOnDemand(settings)
        self._limit = inf if limit is None else limit
        self._of_archive = Threads(ARCHIVE_THREADS)
        self._of_spool = Threads(SPOOL_THREADS)
        finalize(self, self._archive.close)

    def deadline(self) -> float:
        """Say until when a call that begins now may take, by the monotonic clock."""
        return monotonic() + self._limit

    def ask_archive(self, question: Callable[[Any], Any], until: float) -> Any:
        """Answer a question to the archive; ArchiveUnavailable, at the deadline too."""
        if until == inf:
            return question(self._archive.get())
        asked = self._asked(question, until)
        try:
            return result(self._of_archive.begin(asked), until, asked.give_up)
        except TimeoutError:
            raise self._silent() from None

    async def async_ask_archive(self, question: Callable[[Any], Any], until: float) -> Any:
        """Answer a question to the archive as `ask_archive` does."""
        asked = self._asked(question, until)
        try:
            return await async_result(self._of_archive.begin(asked), until, asked.give_up)
        except TimeoutError:
            raise self._silent() from None

    def ask_spool(self, ask: Callable[[], Any], until: float) -> Any:
        """Answer a question to the spool; SpoolUnavailable, at the deadline too."""
        if until == inf:
            return ask()
        try:
            return result(self._of_spool.begin(ask), self._spool_deadline(until), _pass)
        except TimeoutError:
            raise _unanswered() from None

    async def async_ask_spool(self, ask: Callable[[], Any], until: float) -> Any:
        """Answer a question to the spool as `ask_spool` does."""
        deadline = self._spool_deadline(until)
        try:
            return await async_result(self._of_spool.begin(ask), deadline, _pass)
        except TimeoutError:
            raise _unanswered() from None

    def close(self) -> None:
        """Close the archive's connections; who waits for an answer still gets it."""
        self._archive.close()

    def _asked(self, question: Callable[[Any], Any], until: float) -> "_Question":
        self._archive.check()
        return _Question(self._archive, question, until)

    def _spool_deadline(self, until: float) -> float:
        return max(until, monotonic() + max(SPOOL_SECONDS, self._limit / 2))

    def _silent(self) -> ArchiveUnavailable:
        return ArchiveUnavailable(
            f"Postgres did not answer within the deadline of {self._limit:g} s"
        )


def _unanswered() -> SpoolUnavailable:
    return SpoolUnavailable(
        "The spool did not answer within the deadline: its disk is slow or hangs, or another "
        "process keeps it locked"
    )


def _pass() -> None:
    """Let what was asked of the spool end by itself: half of it would be of no use."""


class _Question:
    """One question to the archive, which may be given up at any time."""

    def __init__(
        self, archive: "ArchiveOnDemand", question: Callable[[Any], Any], until: float
    ) -> None:
        self._on_demand = archive
        self._question = question
        self._until = until
        self._archive: Archive | None = None
        self._is_over = False

    def __call__(self) -> Any:
        self._archive = self._on_demand.get().within(self._until)
        if self._is_over:  # looked at last, as `give_up` looks for the archive last
            raise ArchiveUnavailable("The question to Postgres was given up")
        return self._question(self._archive)

    def give_up(self) -> None:
        self._is_over = True
        if self._archive is not None:
            self._archive.abandon()


class ArchiveOnDemand:
    """The archive, opened at the first question: most pipelines never ask it anything."""

    def __init__(self, settings: Settings) -> None:
        """Take the archive's address."""
        self._settings = settings
        self._archive: Archive | None = None
        self.after_fork()
        make_anew_after_fork(self)

    def after_fork(self) -> None:
        """Make the lock anew: a thread of the parent may have held it."""
        # reentrant: a signal handler may ask while its thread is asking
        self._lock = threading.RLock()

    def check(self) -> None:
        """Raise ArchiveNotConfigured where there is none."""
        if self._settings.postgres_url is None:
            raise ArchiveNotConfigured

    def get(self) -> "Archive":
        """Return the archive; ArchiveNotConfigured where there is none."""
        settings = self._settings
        if settings.postgres_url is None:
            raise ArchiveNotConfigured
        with self._lock:
            if self._archive is None:
                from checkpoint.snapshotter.archive import Archive  # noqa: PLC0415 - psycopg

                # who only reads must not create an archive; `register_log` does
                self._archive = Archive(
                    settings.postgres_url, settings.namespace, settings.timeout, migrates=False
                )
            return self._archive

    def close(self) -> None:
        """Close the archive if it was opened."""
        # without the lock: who holds it may be importing the driver, and that takes its time
        archive, self._archive = self._archive, None
        if archive is not None:
            archive.close()
