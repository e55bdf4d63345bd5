"""Two logs in one Redis: what is learnt of one says nothing of the other."""

from dataclasses import replace

import pytest
from isolation import remove_namespace
from real_log import RealLog

from checkpoint import CheckpointManager, LogNotReady, Settings


def test_a_manager_of_another_log_does_not_vouch_for_this_one(settings: Settings) -> None:
    other = replace(settings, namespace=f"{settings.namespace}_b", postgres_url=None)
    try:
        log = RealLog(settings)
        with CheckpointManager(settings) as manager, CheckpointManager(other) as neighbour:
            manager.save("job", "a", {})
            older = {key: log.client.dump(key) for key in _keys(log)}
            manager.save("job", "b", {})
            log.store()
            # Redis comes back as it was before, without its scripts
            remove_namespace(settings.redis_url, settings.namespace)
            for key, value in older.items():
                log.client.restore(key, 0, value)
            log.client.script_flush()
            neighbour.save("job", "a", {})
            neighbour.get_resume_point("job")
            with pytest.raises(LogNotReady):
                manager.get_resume_point("job")
            with pytest.raises(LogNotReady):
                manager.save("job", "c", {})
        log.close()
    finally:
        remove_namespace(other.redis_url, other.namespace)


def _keys(log: RealLog) -> list[bytes]:
    return list(log.client.scan_iter(match=f"{{{log.settings.namespace}*"))
