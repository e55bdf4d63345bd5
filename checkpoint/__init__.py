"""Checkpoint and resume for pipelines: complete a stage, crash, go on after it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .async_manager import AsyncCheckpointManager
    from .claimed_job import AsyncClaimedJob, ClaimedJob
    from .events.append import Appended
    from .events.errors import (
        ArchiveNotConfigured,
        ArchiveNotReady,
        ArchiveUnavailable,
        CheckpointError,
        EventLost,
        EventRefused,
        ExtraMissing,
        FolderInUse,
        IncarnationEnded,
        InvalidCapsule,
        InvalidName,
        InvalidPayload,
        InvalidSettings,
        JobClaimed,
        JobDamaged,
        JobNotLive,
        LogNotCompared,
        LogNotReady,
        LogRefused,
        LogUnavailable,
        NotDurableYet,
        NotOnRecord,
        NotSynced,
        OtherPipeline,
        PartitionCountMismatch,
        PayloadTooLarge,
        SchemaTooNew,
        ScriptUnknown,
        ServerStartError,
        SpooledEventRefused,
        SpoolUnavailable,
        StaleClaim,
        UndecodableEntry,
        UnknownStage,
        UnsupportedServer,
        VersionConflict,
        WrongEventLoop,
    )
    from .events.settings import Settings
    from .manager import CheckpointManager
    from .pipelines import PipelineCheckpoint, SmartVideoEditorCheckpoint
    from .query.pipeline import Pipeline

__all__ = [
    "Appended",
    "ArchiveNotConfigured",
    "ArchiveNotReady",
    "ArchiveUnavailable",
    "AsyncCheckpointManager",
    "AsyncClaimedJob",
    "CheckpointError",
    "CheckpointManager",
    "ClaimedJob",
    "EventLost",
    "EventRefused",
    "ExtraMissing",
    "FolderInUse",
    "IncarnationEnded",
    "InvalidCapsule",
    "InvalidName",
    "InvalidPayload",
    "InvalidSettings",
    "JobClaimed",
    "JobDamaged",
    "JobNotLive",
    "LogNotCompared",
    "LogNotReady",
    "LogRefused",
    "LogUnavailable",
    "NotDurableYet",
    "NotOnRecord",
    "NotSynced",
    "OtherPipeline",
    "PartitionCountMismatch",
    "PayloadTooLarge",
    "Pipeline",
    "PipelineCheckpoint",
    "SchemaTooNew",
    "ScriptUnknown",
    "ServerStartError",
    "Settings",
    "SmartVideoEditorCheckpoint",
    "SpoolUnavailable",
    "SpooledEventRefused",
    "StaleClaim",
    "UndecodableEntry",
    "UnknownStage",
    "UnsupportedServer",
    "VersionConflict",
    "WrongEventLoop",
]

_HOMES = (
    "events.errors",
    "events.settings",
    "events.append",
    "query.pipeline",
    "claimed_job",
    "manager",
    "async_manager",
    "pipelines",
)

if not TYPE_CHECKING:  # else any name would pass for one of this package

    def __getattr__(name: str) -> Any:
        """Import what is asked for: the command line is there at once, and Ctrl-C ends it so."""
        for home in _HOMES if name in __all__ else ():
            if name in (known := vars(import_module(f".{home}", __name__))):
                return globals().setdefault(name, known[name])
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
