"""The Redis and the Postgres that the tests use: the user's own, containers, or embedded ones.

A server named by `REDIS_URL` or `POSTGRES_URL` is used as it is. What is missing is started for
the session, in containers where a Docker engine answers, else from the embedded wheels; pytest's
header says which. A session whose tests need no server starts none.
"""

import gc
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import psycopg
import redis
from docker.errors import DockerException
from redis.backoff import NoBackoff
from redis.retry import Retry
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient

from checkpoint.embedded import Postgres, Valkey

Tell = Callable[[str], None]
Starter = Callable[[], AbstractContextManager[str]]

NOWHERE = "redis://127.0.0.1:1/0"
"""Where no Redis runs."""

REDIS_IMAGE = "redis:8-alpine"
POSTGRES_IMAGE = "postgres:18-alpine"

_ENGINE_SECONDS = 1  # an engine on this machine answers within milliseconds
_READY_SECONDS = 60.0
_ENGINE_FAILURES = (
    DockerException,
    RuntimeError,  # what testcontainers' own exceptions are
    OSError,  # requests' exceptions, and a container that is not ready in time
)


@dataclass(frozen=True)
class Servers:
    """Where the servers of this session are, and where they come from."""

    origin: str
    redis_url: str
    postgres_url: str


@contextmanager
def servers(tell: Tell = print) -> Iterator[Servers]:
    """Yield servers that run as long as the block does; `tell` hears what takes long."""
    with ExitStack() as stack:
        yield _servers(stack, tell)


def expected_origin() -> str:
    """Say where servers will come from, having started none; takes a second at most."""
    return _origin("containers" if _engine_answers() else "embedded (no Docker engine answers)")


def _servers(stack: ExitStack, tell: Tell) -> Servers:
    origin = expected_origin()
    if len(_given()) < len(_CONTAINERS) and _engine_answers():
        tell("servers: starting containers; the first time, their images are pulled")
        try:
            with ExitStack() as attempt:
                urls = list(_urls(attempt, _CONTAINERS))
                stack.push(attempt.pop_all())
            return Servers(origin, *urls)
        except _ENGINE_FAILURES as error:
            why = getattr(error, "explanation", None) or error
            origin = _origin(f"embedded (containers did not start: {why})")
    return Servers(origin, *_urls(stack, _EMBEDDED))


def _urls(stack: ExitStack, starters: Mapping[str, Starter]) -> Iterator[str]:
    for variable, start in starters.items():
        yield os.environ.get(variable) or stack.enter_context(start())


def _origin(started: str) -> str:
    given = _given()
    return ", ".join(given if len(given) == len(_CONTAINERS) else [*given, started])


def _given() -> list[str]:
    return [variable for variable in _CONTAINERS if os.environ.get(variable)]


@cache
def _engine_answers() -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        answers = _ping_engine()
        gc.collect()  # docker's client leaves the socket open that it could not connect
        return answers


def _ping_engine() -> bool:
    try:
        client = DockerClient(timeout=_ENGINE_SECONDS).client
        client.ping()
        client.close()
    except _ENGINE_FAILURES:
        return False
    return True


@contextmanager
def _container_redis() -> Iterator[str]:
    container = DockerContainer(REDIS_IMAGE).with_command(
        "redis-server --appendonly yes --maxmemory-policy noeviction"
    )
    with _published(container, 6379) as address:
        url = f"redis://{address}/0"
        with redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0)) as client:
            _wait_until(client.ping, redis.RedisError)
        yield url


@contextmanager
def _container_postgres() -> Iterator[str]:
    container = DockerContainer(POSTGRES_IMAGE).with_env("POSTGRES_PASSWORD", "checkpoint")
    with _published(container, 5432) as address:
        url = f"postgresql://postgres:checkpoint@{address}/postgres"
        _wait_until(lambda: psycopg.connect(url, connect_timeout=2).close(), psycopg.Error)
        yield url


@contextmanager
def _published(container: DockerContainer, port: int) -> Iterator[str]:
    """Run `container`; yield the address of its port, on loopback if the engine is on this host."""
    local = container.get_docker_client().host() in {"localhost", "127.0.0.1"}
    # Docker takes an address here too, which testcontainers passes on but does not declare.
    container.ports[f"{port}/tcp"] = cast("int", ("127.0.0.1", None)) if local else None
    with container:
        yield f"{container.get_container_host_ip()}:{container.get_exposed_port(port)}"


def _wait_until(answers: Callable[[], object], not_yet: type[Exception]) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        try:
            answers()
        except not_yet as error:
            if time.monotonic() > deadline:
                raise TimeoutError(f"not ready in {_READY_SECONDS:.0f} s: {error}") from error
            time.sleep(0.05)
        else:
            return


@contextmanager
def _embedded_redis() -> Iterator[str]:
    with _scratch() as folder, Valkey(folder / "valkey") as server:
        yield server.url


@contextmanager
def _embedded_postgres() -> Iterator[str]:
    with _scratch() as folder, Postgres(folder / "postgres") as server:
        yield server.url


@contextmanager
def _scratch() -> Iterator[Path]:
    with TemporaryDirectory(prefix="checkpoint-tests-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


_CONTAINERS: Mapping[str, Starter] = {
    "REDIS_URL": _container_redis,
    "POSTGRES_URL": _container_postgres,
}
_EMBEDDED: Mapping[str, Starter] = {
    "REDIS_URL": _embedded_redis,
    "POSTGRES_URL": _embedded_postgres,
}
