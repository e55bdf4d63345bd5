"""Answers: JSON, and this system's errors as JSON with a fitting status."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from checkpoint.events.errors import (
    ArchiveUnavailable,
    CheckpointError,
    IncarnationEnded,
    InvalidName,
    InvalidSettings,
    JobClaimed,
    JobNotLive,
    LogNotReady,
    LogRefused,
    LogUnavailable,
    NotDurableYet,
    StaleClaim,
    UndecodableEntry,
    UnknownStage,
    VersionConflict,
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

STATUSES: dict[type[CheckpointError], int] = {
    LogUnavailable: 503,
    LogNotReady: 503,
    LogRefused: 503,
    ArchiveUnavailable: 503,
    NotDurableYet: 503,
    InvalidName: 400,
    InvalidSettings: 400,
    UnknownStage: 400,
    VersionConflict: 409,
    IncarnationEnded: 409,
    JobNotLive: 409,
    JobClaimed: 409,
    StaleClaim: 409,
    UndecodableEntry: 409,
}

log = logging.getLogger(__name__)


def answer(value: Any, status: int = 200) -> web.Response:
    """Answer with JSON."""
    body = msgspec.json.encode(value)
    return web.Response(body=body, status=status, content_type="application/json")


def refusal(message: str, status: int) -> web.Response:
    """Answer that something cannot be had, and why."""
    return answer({"error": message}, status)


def status_of(error: CheckpointError) -> int:
    """Return the HTTP status that says the most of an error."""
    return next((status for kind, status in STATUSES.items() if isinstance(error, kind)), 500)


@web.middleware
async def told(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn errors into answers."""
    try:
        return await handler(request)
    except CheckpointError as error:
        return refusal(str(error), status_of(error))
    except web.HTTPClientError as error:
        return refusal(error.text or error.reason, error.status)
    except (web.HTTPException, ConnectionResetError):
        raise
    except Exception:
        log.exception("%s %s", request.method, request.path)
        return refusal("Something went wrong in the page's server: its log says more", 500)
