"""Connections to Redis, and the one place where its driver's errors become ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis.exceptions import (
    AuthenticationError,
    ConnectionError,  # noqa: A004 - the driver's own name
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    TimeoutError,  # noqa: A004 - the driver's own name
)

from .errors import (
    CheckpointError,
    InvalidSettings,
    LogUnavailable,
    ScriptUnknown,
    UnsupportedServer,
)

SOCKET_SECONDS = 5.0
"""A connection that says nothing for so long is given up; blocking reads ask for less."""


def options(timeout: float) -> dict[str, Any]:
    """Return how a connection is to behave: a reply may take `timeout` seconds.

    The driver's own retries are off: only the caller knows that a script may be sent again. The
    protocol is the one whose replies all drivers and servers bring alike.
    """
    return {"socket_timeout": timeout, "socket_connect_timeout": timeout, "protocol": 2}


def translate(error: BaseException) -> CheckpointError | None:  # noqa: PLR0911 - a table
    """Turn an error of the driver into this system's; no URL or password gets into a message."""
    match error:
        case AuthenticationError():
            return InvalidSettings(f"Redis refuses REDIS_URL's user or password: {error}")
        case NoScriptError():
            return ScriptUnknown()
        case ReadOnlyError():
            return UnsupportedServer("This Redis is a replica: connect to its primary")
        case OutOfMemoryError():
            return LogUnavailable("Redis is at its maxmemory and takes no more entries")
        case ConnectionError() | TimeoutError():
            return LogUnavailable(
                f"Redis could not be reached, or did not answer ({error}): see that it runs, and "
                "that REDIS_URL names it; `checkpoint up` runs one here"
            )
        case RedisError() | OSError():
            return LogUnavailable(f"Redis refused the operation: {error}")
        case _:
            return None


def lost() -> LogUnavailable:
    """Say that a connection is lost for which no other will do."""
    return LogUnavailable("The connection to Redis was lost; what it was for must begin anew")


@contextmanager
def valid(url: str) -> Iterator[None]:
    """Raise InvalidSettings for a URL that cannot be used, without its password."""
    try:
        yield
    except ValueError:
        # the driver's own words may repeat a part of the password
        scheme = url.partition("://")[0] if "://" in url else "…"
        raise InvalidSettings(
            f"REDIS_URL ({scheme}://…) cannot be used: its host, port, database or options cannot "
            "be read"
        ) from None
