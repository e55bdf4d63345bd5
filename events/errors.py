"""Every error this system raises: one tree, the docstring is the default message."""

from inspect import cleandoc
from typing import Any


class CheckpointError(Exception):
    """Something went wrong in the checkpoint system."""

    def __init__(self, message: str | None = None) -> None:
        """Take `message`, or the first line of the class's docstring."""
        doc = cleandoc(type(self).__doc__ or type(self).__name__)  # python -OO drops docstrings
        super().__init__(message or doc.splitlines()[0])


class InvalidSettings(CheckpointError):
    """A setting has a value that cannot be used."""


class InvalidName(CheckpointError):
    """A name (of a job, stage, pipeline or namespace) cannot be used."""


class UnknownStage(CheckpointError):
    """The pipeline has no stage of that name."""


class InvalidPayload(CheckpointError):
    """The data holds something that neither JSON nor Postgres can hold."""


class PayloadTooLarge(InvalidPayload):
    """The data is larger than one event may be."""


class UndecodableEntry(CheckpointError):
    """A log entry is not an event that this version can read."""


class NotOnRecord(CheckpointError):
    """The job has no such version, or no such incarnation, on record."""


class VersionConflict(CheckpointError):
    """The job is at another version than the caller expected."""


class IncarnationEnded(CheckpointError):
    """The job was deleted or has expired since the caller looked; it may live anew."""


class JobDamaged(CheckpointError):
    """What Redis holds of the job cannot be read: `checkpoint rebuild --job JOB` mends it."""


class JobNotLive(CheckpointError):
    """The job has no live checkpoints: it never existed, was deleted or has expired."""


class OtherPipeline(CheckpointError):
    """The job has live checkpoints, but of another pipeline."""


class StaleClaim(CheckpointError):
    """The claim is over: another worker took the job, or the lease ran out."""


class JobClaimed(CheckpointError):
    """The job is claimed by another worker."""

    def __init__(
        self, message: str | None = None, *, owner: str = "", seconds_left: float = 0.0
    ) -> None:
        """Take who holds the job, and for how many seconds more unless the lease is renewed."""
        super().__init__(message)
        self.owner = owner
        self.seconds_left = seconds_left


class LogUnavailable(CheckpointError):
    """Redis could not be reached, or did not answer in time."""

    def __init__(self, message: str | None = None, *, reconnect: bool = False) -> None:
        """Take whether another connection may lead to a server that can help."""
        super().__init__(message)
        self.reconnect = reconnect


class LogRefused(CheckpointError):
    """Redis refuses what the log needs, and will until its set-up or REDIS_URL is changed."""


class LogNotReady(CheckpointError):
    """Redis does not hold the log: it must be created, or restored from the archive."""


class LogNotCompared(LogNotReady):
    """Redis was restarted, and a snapshotter has yet to compare it with the archive."""


class ScriptUnknown(CheckpointError):
    """Redis does not know a script: it is new, was restarted, or its scripts were flushed."""


class PartitionCountMismatch(CheckpointError):
    """The log was created with another number of partitions."""


class UnsupportedServer(CheckpointError):
    """A server is too old, or set up in a way that would lose data."""


class ArchiveUnavailable(CheckpointError):
    """Postgres could not be reached, or refused the operation."""


class ArchiveNotReady(ArchiveUnavailable):
    """Postgres does not hold the archive of this log: it must be created, upgraded or restored."""


class ArchiveNotConfigured(ArchiveUnavailable):
    """No Postgres is configured: set POSTGRES_URL or libpq's own variables, or `checkpoint up`."""


class SchemaTooNew(CheckpointError):
    """The archive's schema was written by a newer release of this package."""


class WrongEventLoop(CheckpointError):
    """The manager is in use in another event loop that is running: make one for each loop."""


class SpoolUnavailable(CheckpointError):
    """The spool's file cannot be read or written."""


class SpooledEventRefused(CheckpointError):
    """The log refused an event that was spooled while Redis was away; the spool keeps it."""


class NotSynced(CheckpointError):
    """Redis has the event, but did not confirm in time that it is on disk."""


class NotDurableYet(CheckpointError):
    """The event is in the log, but the archive did not commit it in time."""

    def __init__(self, message: str | None = None, *, entry_id: str = "") -> None:
        """Take the id of the entry that the archive does not have yet."""
        super().__init__(message)
        self.entry_id = entry_id
        self.saved: tuple[Any, ...] = ()
        """What the save that raised this appended: wait_until_durable(*error.saved) waits again."""


class EventLost(CheckpointError):
    """Redis lost the event before the archive had it: save it again."""


class EventRefused(EventLost):
    """The archive refused the event and keeps it as a dead letter: Redis alone has it."""


class InvalidCapsule(CheckpointError):
    """The file is not a capsule that this release can read, or it is not whole."""


class ServerStartError(CheckpointError):
    """A server did not start."""


class FolderInUse(CheckpointError):
    """The data folder is in use by another `checkpoint up`."""


class ExtraMissing(CheckpointError):
    """An optional part of this package is not installed."""
