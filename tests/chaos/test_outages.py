"""What an outage must not leave behind."""

import pytest
from servers import NOWHERE

from checkpoint import CheckpointManager, LogUnavailable, Settings


def test_a_manager_outlives_any_number_of_failures() -> None:
    settings = Settings(redis_url=NOWHERE, timeout=0.05)
    with CheckpointManager(settings) as manager:
        for _ in range(150):
            with pytest.raises(LogUnavailable):
                manager.get_resume_point("job")
