"""Logs of each test's own, as the integration tests have them."""

from collections.abc import Iterator

import pytest
from real_log import RealLog

from checkpoint.events.settings import Settings


@pytest.fixture
def settings(redis_url: str, postgres_url: str, namespace: str) -> Settings:
    """Return settings with an archive."""
    return Settings(
        redis_url=redis_url,
        postgres_url=postgres_url,
        namespace=namespace,
        partitions=2,
        timeout=3.0,
    )


@pytest.fixture
def archived_log(settings: Settings) -> Iterator[RealLog]:
    """Create a log with an archive."""
    made = RealLog(settings)
    yield made
    made.close()
