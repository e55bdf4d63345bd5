"""ack="synced" where Redis cannot sync: refused at once, or given up in time."""

from pathlib import Path
from time import monotonic

import pytest

from checkpoint import CheckpointManager, Settings, UnsupportedServer
from checkpoint.embedded import Valkey
from checkpoint.events.errors import NotSynced


def test_a_redis_without_a_file_cannot_sync_and_nothing_is_appended(tmp_path: Path) -> None:
    with (
        Valkey(tmp_path / "valkey", options={"appendonly": "no"}) as valkey,
        CheckpointManager(Settings(redis_url=valkey.url)) as manager,
    ):
        with pytest.raises(UnsupportedServer, match="appendonly"):
            manager.save("job", "stage", {}, ack="synced")
        assert manager.get_job_progress("job")["version"] == 0


def test_a_disk_that_is_never_synced_is_waited_for_once_and_not_for_each_partition(
    tmp_path: Path,
) -> None:
    with (
        Valkey(tmp_path / "valkey", options={"appendfsync": "no"}) as valkey,
        CheckpointManager(Settings(redis_url=valkey.url, partitions=16, timeout=1.0)) as manager,
    ):
        # the first makes the log, and finds that Redis does not know the script
        for _ in range(2):
            begun = monotonic()
            with pytest.raises(NotSynced):
                manager.save_many([(f"job{one}", "stage", 1) for one in range(64)], ack="synced")
            assert monotonic() - begun < 3
