"""A log of each test's own: without an archive, and with one."""

from collections.abc import Iterator

import pytest
from real_log import RealLog

from checkpoint.events.settings import Settings


@pytest.fixture
def settings(redis_url: str, namespace: str) -> Settings:
    """Return settings without an archive."""
    return Settings(redis_url=redis_url, namespace=namespace, partitions=2, timeout=3.0)


@pytest.fixture
def archived_settings(redis_url: str, postgres_url: str, namespace: str) -> Settings:
    """Return settings with an archive."""
    return Settings(
        redis_url=redis_url,
        postgres_url=postgres_url,
        namespace=namespace,
        partitions=2,
        timeout=3.0,
    )


@pytest.fixture
def log(settings: Settings) -> Iterator[RealLog]:
    """Create a log without an archive."""
    made = RealLog(settings)
    yield made
    made.close()


@pytest.fixture
def archived_log(archived_settings: Settings) -> Iterator[RealLog]:
    """Create a log with an archive."""
    made = RealLog(archived_settings)
    yield made
    made.close()
