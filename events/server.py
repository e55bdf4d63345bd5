"""The Redis server itself: what is wrong with its set-up, from what INFO says."""

from collections.abc import Iterator, Mapping

from .errors import LogUnavailable, UnsupportedServer
from .replies import CLUSTER, REPLICA
from .steps import Disconnect, Steps, command

OLDEST = (7, 0)
SYNCING = (7, 2)
FULL = 0.8
"""The share of maxmemory from which on an operator is warned."""


def check_server() -> Steps[dict[str, str]]:
    """Return what INFO says; UnsupportedServer if this Redis would lose what it is given.

    LogUnavailable for a replica: the address may lead to its primary the next time.
    """
    info = yield from read_primary_info()
    if problem := next(problems(info), None):
        raise UnsupportedServer(problem)
    return info


def read_primary_info() -> Steps[dict[str, str]]:
    """Ask the server about itself; LogUnavailable for a replica, after disconnecting from it."""
    info = yield from read_info()
    if info.get("role") != "master":
        yield Disconnect()
        raise LogUnavailable(REPLICA, reconnect=True)
    return info


def read_info() -> Steps[dict[str, str]]:
    """Ask the server about itself."""
    text: bytes = yield from command("INFO")
    pairs = (line.split(":", 1) for line in text.decode().splitlines() if ":" in line)
    return dict(pairs)


def problems(info: Mapping[str, str]) -> Iterator[str]:
    """Name each thing that the log cannot live with, and its mend."""
    version = info.get("redis_version", "0")
    if _version(version) < OLDEST:
        yield f"This Redis is {version}, and 7.0 is the oldest that will do: upgrade it"
    if info.get("role") != "master":
        yield REPLICA
    if info.get("cluster_enabled", "0") != "0":
        yield CLUSTER
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        yield (
            f"This Redis evicts keys when its memory is full (maxmemory-policy {policy}), parts of "
            "the log too: set maxmemory-policy to noeviction"
        )


def no_sync(info: Mapping[str, str]) -> str | None:
    """Say why this Redis cannot tell when it has something on disk; None if it can."""
    version = info.get("redis_version", "0")
    if _version(version) < SYNCING:
        return f"This Redis is {version}, and ack='synced' needs 7.2: use 'log' or 'durable'"
    if info.get("aof_enabled") != "1":
        return "This Redis runs with appendonly off, so that nothing is ever synced: set it to yes"
    return None


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2])


def warnings(info: Mapping[str, str]) -> Iterator[str]:
    """Name what an operator should know of, and can choose."""
    if info.get("aof_enabled") != "1":
        yield (
            "appendonly is off: after a crash of Redis, what was acknowledged as `log` since its "
            "last snapshot is gone. Set appendonly to yes"
        )
    full = fullness(int(info.get("used_memory", "0")), int(info.get("maxmemory", "0")))
    if full > FULL:
        yield describe_fullness(full)


def fullness(used: int, limit: int) -> float:
    """Return the share of maxmemory that is in use; 0.0 where there is no limit."""
    return used / limit if limit else 0.0


def describe_fullness(full: float) -> str:
    """Say what it means that Redis' memory is nearly full."""
    return (
        f"Redis uses {full:.0%} of its maxmemory: at 100 % it takes no more events. "
        "See that projector and snapshotter keep up, or raise maxmemory"
    )
