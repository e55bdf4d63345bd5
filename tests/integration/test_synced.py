"""ack="synced" where Redis cannot sync: refused before anything is appended."""

from pathlib import Path

import pytest

from checkpoint import CheckpointManager, Settings, UnsupportedServer
from checkpoint.embedded import Valkey


def test_a_redis_without_a_file_cannot_sync_and_nothing_is_appended(tmp_path: Path) -> None:
    with (
        Valkey(tmp_path / "valkey", options={"appendonly": "no"}) as valkey,
        CheckpointManager(Settings(redis_url=valkey.url)) as manager,
    ):
        with pytest.raises(UnsupportedServer, match="appendonly"):
            manager.save("job", "stage", {}, ack="synced")
        assert manager.get_job_progress("job")["version"] == 0
