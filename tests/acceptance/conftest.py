"""A log of each test's own, with an archive, as the environment names it to commands."""

from collections.abc import Iterator

import pytest
from processes import environ

from checkpoint import CheckpointManager, Settings


@pytest.fixture
def settings(
    redis_url: str, postgres_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Return settings that the environment has too."""
    settings = Settings(redis_url=redis_url, postgres_url=postgres_url, namespace=namespace)
    for name, value in environ(settings).items():
        monkeypatch.setenv(name, value)
    return settings


@pytest.fixture
def manager(settings: Settings) -> Iterator[CheckpointManager]:
    """Open a manager without a pipeline."""
    with CheckpointManager(settings) as manager:
        yield manager
