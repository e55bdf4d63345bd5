"""`python -m bench.offer RATE SECONDS`: a pipeline that saves so many events a second.

It reads the environment's settings, and prints when it began and the ids of what it has appended,
as JSON.
"""

import sys
import time

import msgspec

from checkpoint import CheckpointManager
from checkpoint.events.keys import partition_of

from .workload import DATA, PARTITIONS, STAGES, job_name

TICK_SECONDS = 0.01


class Offered(msgspec.Struct):
    """What was offered."""

    seconds: float
    ids: dict[int, list[tuple[int, int]]]
    """The entries of each partition."""


def offer(per_second: int, seconds: float) -> Offered:
    """Save at an even pace, in a batch every ten milliseconds, each of its events another job's."""
    size = max(1, round(per_second * TICK_SECONDS))
    offered = Offered(0.0, {})
    with CheckpointManager() as manager:
        manager.save("first", STAGES[0], DATA)
        begun = time.perf_counter()
        for tick in range(round(seconds / TICK_SECONDS)):
            time.sleep(max(0.0, begun + tick * TICK_SECONDS - time.perf_counter()))
            group, stage = divmod(tick, len(STAGES))
            jobs = [job_name(group * size + number) for number in range(size)]
            for one in manager.save_many((job, STAGES[stage], DATA) for job in jobs):
                ids = offered.ids.setdefault(partition_of(one.job, PARTITIONS), [])
                ids.append((one.id.ms, one.id.seq))
        offered.seconds = time.perf_counter() - begun
    return offered


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(offer(int(sys.argv[1]), float(sys.argv[2]))))
