"""Connections to Redis, and the one place where its driver's errors become ours."""

import ssl
from typing import Any

from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ConnectionError,  # noqa: A004 - the driver's own name
    InvalidResponse,
    NoPermissionError,
    RedisError,
    ResponseError,
)

from .errors import CheckpointError, InvalidSettings, LogRefused, LogUnavailable
from .replies import ErrorReply, refusal

SOCKET_SECONDS = 5.0
"""A connection that says nothing for so long is given up; blocking reads ask for less."""

DROPPED_WORDS = {
    AuthenticationError: "WRONGPASS",
    BusyLoadingError: "LOADING",
    NoPermissionError: "NOPERM",
}
"""The first words of error replies, which older drivers leave out where they greet the server."""

_TLS_PASSES = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
_TLS_NO_SERVER = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")
_TLS_RECORD = r"\x15"
"""How a reply begins, in the driver's words, with which a TLS server refuses plain text."""


def options(timeout: float) -> dict[str, Any]:
    """Return how a connection is to behave: a reply may take `timeout` seconds.

    The driver's own retries are off: only the caller knows that a script may be sent again. The
    protocol is the one whose replies all drivers and servers bring alike.
    """
    return {"socket_timeout": timeout, "socket_connect_timeout": timeout, "protocol": 2}


def translate(error: BaseException, *, is_new: bool = False) -> CheckpointError | None:
    """Turn an error of the driver into this system's; no URL or password gets into a message.

    A connection `is_new` until it has had a reply that is no error: until then, what it meets may
    be a matter of settings.
    """
    match _unwrapped(error):
        case ErrorReply():
            return refusal(str(error), is_new=is_new)
        case AuthenticationError() | BusyLoadingError() | ResponseError() as reply:
            return refusal(_reply(reply), is_new=True)  # only while the driver greets the server
        case InvalidResponse() if is_new:
            return LogRefused(_no_redis(str(error)))
        case RedisError() | OSError():
            return _refused_tls(error) or unreached(str(error))
        case TypeError() | ValueError() if is_new:
            return InvalidSettings("REDIS_URL has an option whose value cannot be used")
        case _:
            return None


def unreached(reason: str) -> LogUnavailable:
    """Return the error for a Redis that does not answer, with what to look at."""
    return LogUnavailable(
        f"Redis could not be reached, or did not answer ({reason}): see that it runs, and "
        "that REDIS_URL names it, with TLS (rediss://) or without (redis://) as it has it; "
        "`checkpoint up` runs one here"
    )


def lost() -> LogUnavailable:
    """Say that a connection is lost for which no other will do."""
    return LogUnavailable("The connection to Redis was lost; what it was for must begin anew")


def _unwrapped(error: BaseException) -> BaseException:
    """Return what the driver met: for asyncio it wraps what it does not expect."""
    cause = error.__cause__
    if cause is None or type(error) is not ConnectionError or isinstance(cause, OSError):
        return error
    return cause


def _reply(error: RedisError) -> str:
    """Return the error reply from which the driver made an error."""
    word = getattr(error, "status_code", None) or DROPPED_WORDS.get(type(error), "")
    if str(error).startswith("Authentication required"):
        word = "NOAUTH"  # of the same type, and older drivers do not tell
    return f"{word} {error}".strip()


def _no_redis(error: str) -> str:
    if _TLS_RECORD in error:
        return "The server speaks TLS: REDIS_URL begins with rediss:// there"
    return f"What answers is not Redis ({error}): see that REDIS_URL names its port"


def _refused_tls(error: BaseException) -> LogRefused | None:
    """Say why TLS does not come about, unless that may pass by itself."""
    cause = error.__cause__ or error.__context__
    if not isinstance(cause, ssl.SSLError) or (cause.reason or "") not in str(error):
        return None  # it may be what the caller handles just now
    match cause:
        case ssl.SSLCertVerificationError():
            return LogRefused(
                f"The certificate of Redis is not trusted: {cause.verify_message}. In REDIS_URL, "
                "write the host that the certificate is for, and ssl_ca_certs=FILE for a CA of "
                "your own"
            )
        case ssl.SSLError() if cause.reason in _TLS_NO_SERVER:
            return LogRefused("The server does not speak TLS: REDIS_URL begins with redis:// there")
        case ssl.SSLError() if not isinstance(cause, _TLS_PASSES):
            return LogRefused(f"TLS with Redis does not come about: {cause.reason or cause}")
    return None
