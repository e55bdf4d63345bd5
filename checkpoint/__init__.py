"""Checkpoint and resume for pipelines: complete a stage, crash, go on after it."""

from .async_manager import AsyncCheckpointManager
from .claimed_job import AsyncClaimedJob, ClaimedJob
from .events.append import Appended
from .events.errors import (
    ArchiveNotConfigured,
    ArchiveUnavailable,
    CheckpointError,
    ExtraMissing,
    FolderInUse,
    IncarnationEnded,
    InvalidName,
    InvalidPayload,
    InvalidSettings,
    JobClaimed,
    LogNotReady,
    LogUnavailable,
    NotDurableYet,
    NotSynced,
    PartitionCountMismatch,
    PayloadTooLarge,
    SchemaTooNew,
    ScriptUnknown,
    ServerStartError,
    StaleClaim,
    UndecodableEntry,
    UnknownStage,
    UnsupportedServer,
    VersionConflict,
)
from .events.settings import Settings
from .manager import CheckpointManager
from .pipelines import PipelineCheckpoint, SmartVideoEditorCheckpoint
from .query.pipeline import Pipeline

__all__ = [
    "Appended",
    "ArchiveNotConfigured",
    "ArchiveUnavailable",
    "AsyncCheckpointManager",
    "AsyncClaimedJob",
    "CheckpointError",
    "CheckpointManager",
    "ClaimedJob",
    "ExtraMissing",
    "FolderInUse",
    "IncarnationEnded",
    "InvalidName",
    "InvalidPayload",
    "InvalidSettings",
    "JobClaimed",
    "LogNotReady",
    "LogUnavailable",
    "NotDurableYet",
    "NotSynced",
    "PartitionCountMismatch",
    "PayloadTooLarge",
    "Pipeline",
    "PipelineCheckpoint",
    "SchemaTooNew",
    "ScriptUnknown",
    "ServerStartError",
    "Settings",
    "SmartVideoEditorCheckpoint",
    "StaleClaim",
    "UndecodableEntry",
    "UnknownStage",
    "UnsupportedServer",
    "VersionConflict",
]
