"""A manager whose events have a millisecond each: their order is known across partitions."""

import time
from typing import Any

from checkpoint import CheckpointManager
from checkpoint.events.append import Appended

MILLISECOND = 0.001


class PacedManager(CheckpointManager):
    """Waits before each event until the one before is of the past."""

    def save(self, *args: Any, **options: Any) -> Appended:
        time.sleep(2 * MILLISECOND)
        return super().save(*args, **options)

    def record_failure(self, *args: Any, **options: Any) -> Appended:
        time.sleep(2 * MILLISECOND)
        return super().record_failure(*args, **options)

    def delete_job_checkpoints(self, job_id: str) -> bool:
        time.sleep(2 * MILLISECOND)
        return super().delete_job_checkpoints(job_id)
