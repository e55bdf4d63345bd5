"""The Redis server itself: what is wrong with its set-up, from what INFO says."""

from collections.abc import Iterator, Mapping

from .errors import UnsupportedServer
from .steps import Steps, command

OLDEST = (7, 0)
FULL = 0.8
"""The share of maxmemory from which on an operator is warned."""


def check_server() -> Steps[None]:
    """Raise UnsupportedServer if this Redis would lose what it is given, or lacks what is used."""
    if problem := next(problems((yield from read_info())), None):
        raise UnsupportedServer(problem)


def read_info() -> Steps[dict[str, str]]:
    """Ask the server about itself."""
    text: bytes = yield from command("INFO")
    pairs = (line.split(":", 1) for line in text.decode().splitlines() if ":" in line)
    return dict(pairs)


def problems(info: Mapping[str, str]) -> Iterator[str]:
    """Name each thing that the log cannot live with, and its mend."""
    version = info.get("redis_version", "0")
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        yield f"This Redis is {version}, and 7.0 is the oldest that will do: upgrade it"
    if info.get("role") != "master":
        yield "This Redis is a replica: connect to its primary"
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        yield (
            f"This Redis evicts keys when its memory is full (maxmemory-policy {policy}), parts of "
            "the log too: set maxmemory-policy to noeviction"
        )


def warnings(info: Mapping[str, str]) -> Iterator[str]:
    """Name what an operator should know of, and can choose."""
    if info.get("aof_enabled") != "1":
        yield (
            "appendonly is off: after a crash of Redis, what was acknowledged as `log` since its "
            "last snapshot is gone. Set appendonly to yes"
        )
    limit, used = int(info.get("maxmemory", "0")), int(info.get("used_memory", "0"))
    if limit and used > FULL * limit:
        yield (
            f"Redis uses {used / limit:.0%} of its maxmemory: at 100 % it takes no more events. "
            "See that projector and snapshotter keep up, or raise maxmemory"
        )
