"""The fixtures and hooks that give tests their servers.

`redis_url` and `postgres_url` are all that a test asks for; a session in which no test does starts
no server.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from uuid import uuid4

import pytest
from isolation import database, remove_namespace
from servers import Servers, expected_origin, servers

_SERVERS = pytest.StashKey[Servers]()


def pytest_report_header() -> str:
    """Say where servers would come from."""
    return f"servers: {expected_origin()}"


def pytest_report_collectionfinish(
    config: pytest.Config, items: Sequence[pytest.Item]
) -> list[str]:
    """Start the servers if a test needs them; say so where they are not what the header said."""
    needed = any("servers" in getattr(item, "fixturenames", ()) for item in items)
    if not needed or config.option.collectonly:
        return []
    origin = _started(config).origin
    return [] if origin == expected_origin() else [f"servers: {origin}"]


@pytest.fixture(scope="session", name="servers")
def _servers(pytestconfig: pytest.Config) -> Servers:
    return _started(pytestconfig)


@pytest.fixture
def namespace() -> str:
    """Return a name for a log that no other test has."""
    return f"test_{uuid4().hex[:16]}"


@pytest.fixture
def redis_url(servers: Servers, namespace: str) -> Iterator[str]:
    """Yield the Redis server's URL; the keys of `namespace` are deleted after the test."""
    yield servers.redis_url
    remove_namespace(servers.redis_url, namespace)


@pytest.fixture
def postgres_url(servers: Servers, namespace: str) -> Iterator[str]:
    """Yield the URL of an empty database of the test's own, which is dropped after it."""
    with database(servers.postgres_url, namespace) as url:
        yield url


def _started(config: pytest.Config) -> Servers:
    if _SERVERS not in config.stash:
        stack = ExitStack()
        config.add_cleanup(stack.close)
        config.stash[_SERVERS] = stack.enter_context(servers())
    return config.stash[_SERVERS]
