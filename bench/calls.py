"""What one call costs: a save beside XADD, a lookup beside HGETALL, a batch beside a pipeline."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import redis

from checkpoint import CheckpointManager, Settings

from . import servers
from .measure import Ratio, side_by_side

STAGES = [f"stage-{number}" for number in range(8)]
DATA = {
    "codec": "h264",
    "duration": 120.5,
    "resolution": "1920x1080",
    "fps": 30,
    "path": "/data/videos/job/validation.json",
    "sha256": "0123456789abcdef0123456789abcdef",
}
BATCH = 4000


class Row(NamedTuple):
    """One line of the table."""

    what: str
    beside: str
    limit: float
    result: Ratio


def rows(settings: Settings) -> Iterator[Row]:
    """Measure, and yield a row as soon as it is there."""
    with CheckpointManager(settings) as manager, redis.Redis.from_url(settings.redis_url) as client:
        encoded = msgspec.json.encode(DATA)
        yield Row(
            "save, acknowledged by the log",
            "XADD by redis-py",
            1.5,
            side_by_side(
                lambda n: manager.save(f"job-{n}", STAGES[n % 8], DATA),
                lambda _: client.xadd("bare", {"event": msgspec.json.encode(DATA)}),
            ),
        )
        for job in range(50):
            manager.save_many((f"eight-{job}", stage, DATA) for stage in STAGES)
            client.hset(f"hash-{job}", mapping=dict.fromkeys(STAGES, encoded))

        def bare(number: int) -> object:
            found = client.hgetall(f"hash-{number % 50}")
            return {stage: msgspec.json.decode(data) for stage, data in found.items()}

        def lookup(number: int) -> object:
            return manager.get_resume_point(f"eight-{number % 50}")

        beside = "HGETALL of eight fields by redis-py, with JSON"
        yield Row("lookup, nothing applied", beside, 1.5, side_by_side(lookup, bare))
        with servers.worker("projector", settings):
            servers.wait_until(lambda: manager.get_job_progress("eight-49")["source"] == "view")
        yield Row("lookup, eight stages", beside, 1.5, side_by_side(lookup, bare))
