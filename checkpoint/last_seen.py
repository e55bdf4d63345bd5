"""The newest entry of each job that a manager was told of: no answer may be older.

While Redis is away the archive answers, and it may lag behind what the log acknowledged or showed
to this manager. An archived answer counts only if it has at least as much.
"""

from collections.abc import Mapping
from threading import RLock

from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.forks import make_anew_after_fork

REMEMBERED = 1000
"""Number of jobs remembered individually: the latest ones."""


class LastSeen:
    """The newest entry id seen of each job; of forgotten jobs, the newest of each partition.

    Thread-safe.
    """

    def __init__(self) -> None:
        """Remember nothing yet."""
        self.after_fork()
        make_anew_after_fork(self)
        self._jobs: dict[str, tuple[int, EntryId]] = {}
        self._forgotten: dict[int, EntryId] = {}

    def after_fork(self) -> None:
        """Make the lock anew: a thread of the parent may have held it."""
        # reentrant: a signal handler may save while its thread notes another save
        self._lock = RLock()

    def note(self, job: str, partition: int, entry: EntryId) -> None:
        """Remember an entry of a job."""
        with self._lock:
            _, known = self._jobs.pop(job, (partition, ZERO))
            self._jobs[job] = partition, max(known, entry)
            while len(self._jobs) > REMEMBERED:
                number, newest = self._jobs.pop(next(iter(self._jobs)))
                self._forgotten[number] = max(newest, self._forgotten.get(number, ZERO))

    def has(self, job: str) -> bool:
        """Return whether an entry of a job was seen, or may have been."""
        with self._lock:
            return job in self._jobs or bool(self._forgotten)

    def is_covered(
        self, job: str, partition: int, entry: EntryId, positions: Mapping[int, EntryId]
    ) -> bool:
        """Return whether an archive that has a job up to `entry` has all that was seen of it.

        `positions` are the entry ids up to which the archive has every partition.
        """
        with self._lock:
            if known := self._jobs.get(job):
                return known[1] <= entry
            return self._forgotten.get(partition, ZERO) <= positions.get(partition, ZERO)
