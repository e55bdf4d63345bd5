"""What INFO says of a Redis that the log cannot live with, or that an operator should know of."""

import pytest

from checkpoint.events.server import no_sync, problems, warnings

GOOD = {
    "redis_version": "7.2.4",
    "role": "master",
    "maxmemory_policy": "noeviction",
    "aof_enabled": "1",
    "maxmemory": "0",
    "used_memory": "1000",
}


def test_a_good_server_has_no_problems() -> None:
    assert list(problems(GOOD)) == []
    assert list(warnings(GOOD)) == []


@pytest.mark.parametrize(
    ("wrong", "mend"),
    [
        ({"redis_version": "6.2.14"}, "upgrade"),
        ({"role": "slave"}, "connect to its primary"),
        ({"cluster_enabled": "1"}, "connect to one that runs with cluster-enabled no"),
        ({"maxmemory_policy": "allkeys-lru"}, "set maxmemory-policy to noeviction"),
        ({"maxmemory_policy": "volatile-ttl"}, "set maxmemory-policy to noeviction"),
    ],
)
def test_a_problem_is_named_with_its_mend(wrong: dict[str, str], mend: str) -> None:
    (problem,) = problems({**GOOD, **wrong})
    assert mend in problem


@pytest.mark.parametrize("version", ["7.0.0", "7.2.4", "8.0", "9.1.2"])
def test_these_versions_will_do(version: str) -> None:
    assert list(problems({**GOOD, "redis_version": version})) == []


def test_an_operator_is_warned_before_the_memory_is_full() -> None:
    (warning,) = warnings({**GOOD, "maxmemory": "1000", "used_memory": "850"})
    assert "85% of its maxmemory" in warning


def test_an_operator_is_warned_of_a_log_that_is_not_on_disk() -> None:
    (warning,) = warnings({**GOOD, "aof_enabled": "0"})
    assert "appendonly" in warning


def test_synced_needs_a_server_that_can_tell() -> None:
    assert no_sync(GOOD) is None
    assert "needs 7.2" in (no_sync({**GOOD, "redis_version": "7.0.15"}) or "")
    assert "appendonly" in (no_sync({**GOOD, "aof_enabled": "0"}) or "")
