"""Whether the log has been compared with the archive since Redis was started."""

from time import monotonic, sleep
from typing import Any

import redis

LOOK_SECONDS = 0.1
KNOWN_SECONDS = 30.0


def is_known(client: "redis.Redis", namespace: str) -> bool:
    """Wait until this run of Redis has been compared with the archive; return whether it was.

    Before that, an entry or an id of somebody else's makes a log that lost its end look whole.
    """
    deadline = monotonic() + KNOWN_SECONDS
    while monotonic() < deadline:
        run: Any = client.hget(f"{{{namespace}}}:meta", "run")
        if run is not None and run.decode() == client.info("server")["run_id"]:
            return True
        sleep(LOOK_SECONDS)
    return False
