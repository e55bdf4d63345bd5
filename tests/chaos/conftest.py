"""The logs that the tests of failures break: all have an archive."""

import pytest

from checkpoint.events.settings import Settings


@pytest.fixture
def settings(archived_settings: Settings) -> Settings:
    """Return settings with an archive."""
    return archived_settings
