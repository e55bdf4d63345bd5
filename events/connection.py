"""Connections to Redis, and the one place where its driver's errors become ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    ConnectionError,  # noqa: A004 - the driver's own name
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    TimeoutError,  # noqa: A004 - the driver's own name
)
from redis.retry import Retry

from .errors import InvalidSettings, LogUnavailable, ScriptUnknown, UnsupportedServer
from .script import Argument, Call, Script

SOCKET_SECONDS = 5.0
"""A connection that says nothing for so long is given up; blocking reads ask for less."""


def connect(url: str, timeout: float = SOCKET_SECONDS) -> "redis.Redis":
    """Open a client; nothing is sent before the first command. Waits `timeout` seconds at most.

    The driver's own retries are off: only the caller knows that a script may be sent again.
    """
    with _valid(url):
        return redis.Redis.from_url(
            url,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
        )


def connect_async(url: str, timeout: float = SOCKET_SECONDS) -> "redis.asyncio.Redis":
    """Open an asynchronous client, as `connect` does."""
    with _valid(url):
        return redis.asyncio.Redis.from_url(
            url,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=AsyncRetry(NoBackoff(), 0),
        )


def execute(client: Any, *words: Argument) -> Any:
    """Run one command."""
    with translated():
        return client.execute_command(*words)


async def execute_async(client: Any, *words: Argument) -> Any:
    """Run one command, as `execute` does."""
    with translated():
        return await client.execute_command(*words)


def run(client: Any, call: Call) -> Any:
    """Call a script; ScriptUnknown where Redis does not know it."""
    with translated():
        return client.evalsha(call.script.sha, len(call.keys), *call.keys, *call.args)


async def run_async(client: Any, call: Call) -> Any:
    """Call a script, as `run` does."""
    with translated():
        return await client.evalsha(call.script.sha, len(call.keys), *call.keys, *call.args)


def load(client: Any, script: Script) -> None:
    """Make Redis know a script."""
    with translated():
        client.script_load(script.text)


async def load_async(client: Any, script: Script) -> None:
    """Make Redis know a script, as `load` does."""
    with translated():
        await client.script_load(script.text)


async def run_worker(client: Any, call: Call) -> Any:
    """Call a script, loading it first where Redis does not know it yet.

    For workers, whose scripts compare positions themselves: what they write of an older state
    is what a restore overwrites.
    """
    with translated():
        try:
            return await client.evalsha(call.script.sha, len(call.keys), *call.keys, *call.args)
        except NoScriptError:
            return await client.eval(call.script.text, len(call.keys), *call.keys, *call.args)


def run_synced(client: Any, call: Call, timeout_ms: int) -> tuple[Any, int]:
    """Call a script and wait on the same connection for its writes to be on disk."""
    with translated():
        reply, synced = _synced(client, call, timeout_ms).execute()
        return reply, synced[0]


async def run_synced_async(client: Any, call: Call, timeout_ms: int) -> tuple[Any, int]:
    """Call a script and wait, as `run_synced` does."""
    with translated():
        reply, synced = await _synced(client, call, timeout_ms).execute()
        return reply, synced[0]


def _synced(client: Any, call: Call, timeout_ms: int) -> Any:
    pipeline = client.pipeline(transaction=False)
    pipeline.evalsha(call.script.sha, len(call.keys), *call.keys, *call.args)
    pipeline.execute_command("WAITAOF", 1, 0, timeout_ms)
    return pipeline


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into this system's; no URL or password gets into a message."""
    try:
        yield
    except AuthenticationError as error:
        raise InvalidSettings(f"Redis refuses REDIS_URL's user or password: {error}") from error
    except NoScriptError as error:
        raise ScriptUnknown from error
    except ReadOnlyError as error:
        raise UnsupportedServer("This Redis is a replica: connect to its primary") from error
    except OutOfMemoryError as error:
        raise LogUnavailable("Redis is at its maxmemory and takes no more entries") from error
    except (ConnectionError, TimeoutError) as error:
        raise LogUnavailable(
            f"Redis could not be reached, or did not answer ({error}): see that it runs, and that "
            "REDIS_URL names it; `checkpoint up` runs one here"
        ) from error
    except (RedisError, OSError) as error:
        raise LogUnavailable(f"Redis refused the operation: {error}") from error


@contextmanager
def _valid(url: str) -> Iterator[None]:
    try:
        yield
    except ValueError:
        # the driver's own words may repeat a part of the password
        scheme = url.partition("://")[0] if "://" in url else "…"
        raise InvalidSettings(
            f"REDIS_URL ({scheme}://…) cannot be used: its host, port, database or options cannot "
            "be read"
        ) from None
