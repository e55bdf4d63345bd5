"""Redis comes back from a restart as it was a while before."""

from isolation import remove_namespace
from real_log import RealLog

from checkpoint.events.keys import topic_meta


def dumped(log: RealLog) -> dict[bytes, bytes]:
    """Return every key of a log as it is."""
    keys = log.client.scan_iter(match=f"{{{log.settings.namespace}*", count=1000)
    return {key: log.client.dump(key) for key in keys}


def lose_the_last(log: RealLog, older: dict[bytes, bytes]) -> None:
    """Make a log what it was when its keys were dumped, in a Redis that was restarted since."""
    remove_namespace(log.settings.redis_url, log.settings.namespace)
    for key, value in older.items():
        log.client.restore(key, 0, value)
    log.client.hset(topic_meta(log.settings.namespace), "run", "the one before")
