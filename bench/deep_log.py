"""A deep log: millions of entries, put there by the server itself, for they are only in the way."""

import os
import time
from typing import Any

from checkpoint import Settings
from checkpoint.events.keys import PartitionKeys

from .bare import event_of
from .workload import PARTITIONS

AT_ONCE = 5000

FILL = """
for number = 1, ARGV[1] do
  redis.call('XADD', KEYS[1], '*', 'event', ARGV[2], 'version', 1, 'incarnation', '')
end
"""


def deepen(client: Any, settings: Settings, entries: int, seconds: float) -> int:
    """Add entries of other jobs to a log until it has so many, or the time is over.

    They look like those that saves append, but nothing else is kept of their jobs. Returns how
    many the log has.
    """
    script = client.register_script(FILL)
    logs = [PartitionKeys(settings.namespace, number).log for number in range(PARTITIONS)]
    until, number = time.monotonic() + seconds, 0
    count = int(sum(client.xlen(log) for log in logs))
    while count < entries and time.monotonic() < until:
        some = min(AT_ONCE, entries - count)
        script(keys=[logs[number % PARTITIONS]], args=[some, event_of(number)])
        number, count = number + 1, count + some
    os.sync()  # the file goes to disk now, and not while something is measured
    return count
