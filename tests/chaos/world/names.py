"""The names of all that can be hurt."""

NAMESPACE = "chaos"
PARTITIONS = 4
CALL_SECONDS = 3.0
"""The deadline of every call that a producer makes."""

PRODUCERS = (
    "producer-blocking",
    "producer-threads",
    "producer-tasks",
    "producer-forks",
    "producer-spool",
)
PROJECTORS = ("projector-0", "projector-1")
SNAPSHOTTERS = ("snapshotter-0", "snapshotter-1")
PROCESSES = (*PRODUCERS, *PROJECTORS, *SNAPSHOTTERS)
SERVERS = ("valkey", "postgres")

PAIRS = {server: [f"{process} to {server}" for process in PROCESSES] for server in SERVERS}
"""Each process has a link of its own to each server."""

GROUPS = {
    "producers to valkey": [f"{one} to valkey" for one in PRODUCERS],
    "workers to valkey": [f"{one} to valkey" for one in (*PROJECTORS, *SNAPSHOTTERS)],
    "all to valkey": PAIRS["valkey"],
    "all to postgres": PAIRS["postgres"],
}
"""Links that a fault may hit together."""


def links_of(target: str) -> list[str]:
    """Return the links that the name of one or of a group stands for."""
    return GROUPS.get(target, [target])
