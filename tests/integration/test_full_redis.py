"""A Redis at its maxmemory: what is refused is refused whole, and what frees memory goes on."""

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from real_log import RealLog

from checkpoint import CheckpointManager, LogUnavailable, Settings
from checkpoint.claim import Claim, renew, take
from checkpoint.core import Core
from checkpoint.embedded import Valkey
from checkpoint.events.entry_id import ZERO
from checkpoint.events.freshness import SET_FENCE
from checkpoint.events.keys import topic_meta
from checkpoint.events.script import Call
from checkpoint.events.watermark import publish, trim
from checkpoint.restore import keep_whole

ROOM = 2 * 1024 * 1024
"""How many bytes Redis may take before it is full."""
BOUND = 512 * 1024
"""What it may take beyond that: buffers of connections, and what frees memory."""
DATA = {"text": "x" * 2000}


@pytest.fixture
def full(tmp_path: Path, postgres_url: str, namespace: str) -> Iterator[RealLog]:
    """Yield a log whose Redis has room for some hundred saves, and is to be filled."""
    with Valkey(tmp_path / "valkey") as valkey:
        settings = Settings(
            redis_url=valkey.url,
            postgres_url=postgres_url,
            namespace=namespace,
            partitions=1,
            timeout=0.5,
        )
        log = RealLog(settings)
        log.client.config_set("maxmemory", used(log) + ROOM)
        yield log
        log.close()


def used(log: RealLog) -> int:
    return int(log.client.info("memory")["used_memory"])


def limit(log: RealLog) -> int:
    return int(log.client.config_get("maxmemory")["maxmemory"])


def fill(log: RealLog, save: Callable[[int], object]) -> int:
    """Save until Redis is full; return how often it took something."""
    for number in count():
        try:
            save(number)
        except LogUnavailable as error:
            assert "maxmemory" in str(error)  # noqa: PT017 - of one of many
            return number
    raise AssertionError


def publish_what_is_archived(log: RealLog) -> None:
    """Bring the archive up to the log, and the watermark up to the archive."""
    log.store()
    with closing(log.archive()) as archive:
        position = archive.positions()[0]
    assert log.call(publish(log.partition(0), position, ZERO)) == 1


def everything(log: RealLog) -> dict[bytes, Any]:
    """Return all that the log has in Redis but for when it expires."""
    return {key: log.client.dump(key) for key in log.client.scan_iter("*")}


@pytest.mark.parametrize(
    "save",
    [
        lambda manager, n: manager.save(f"new-{n}", "a", DATA),
        lambda manager, n: manager.save("one", f"stage-{n}", DATA),
        lambda manager, n: manager.save(f"new-{n}", "a", DATA, key="once"),
        lambda manager, n: manager.save_many((f"new-{n}-{m}", "a", DATA) for m in range(10)),
        lambda manager, n: manager.record_failure(f"new-{n}", "a", OSError("x" * 2000)),
        lambda manager, n: [manager.save("again", "a", DATA), manager.rewind("again", "a")],
    ],
    ids=["new jobs", "stages", "keys", "batches", "failures", "rewinds"],
)
def test_saves_are_refused_whole_and_memory_is_bounded(
    full: RealLog, save: Callable[[CheckpointManager, int], object]
) -> None:
    with CheckpointManager(full.settings) as manager:
        assert fill(full, lambda n: save(manager, n)) > 20
        before = everything(full)
        for number in range(100_000, 100_010):
            with pytest.raises(LogUnavailable, match="maxmemory"):
                save(manager, number)
        assert everything(full) == before
        assert used(full) < limit(full) + BOUND


def test_a_job_that_was_deleted_or_has_expired_is_made_again_whole_or_not_at_all(
    full: RealLog,
) -> None:
    with CheckpointManager(full.settings) as manager:
        manager.save("job", "a", {})
        manager.delete_job_checkpoints("job")
        fill(full, lambda n: manager.save(f"new-{n}", "a", DATA))
        before = everything(full)
        for attempt in (
            lambda: manager.save("job", "b", DATA),
            lambda: manager.claim("job").__enter__(),
            lambda: manager.fork("new-0", "forked"),
        ):
            with pytest.raises(LogUnavailable, match="maxmemory"):
                attempt()
        assert everything(full) == before


def test_jobs_can_be_read_and_deleted_which_makes_room(full: RealLog) -> None:
    with CheckpointManager(full.settings) as manager:
        jobs = fill(full, lambda n: manager.save(f"job-{n}", "a", DATA))
        assert manager.load("job-0", "a") == DATA
        for number in range(jobs):
            assert manager.delete_job_checkpoints(f"job-{number}")
        assert used(full) < limit(full) + BOUND
        with pytest.raises(LogUnavailable, match="maxmemory"):
            manager.save("job", "a", DATA)
        full.project()
        full.client.script_flush()
        full.run(keep_whole(full.settings.namespace, print))
        publish_what_is_archived(full)
        assert full.call(trim(full.partition(0), 0))
        assert used(full) < limit(full) - ROOM // 4
        assert manager.save("job", "a", DATA).version == 1


def test_workers_go_on_and_make_room(full: RealLog) -> None:
    """Views take no more than the entries that may be trimmed then."""
    with CheckpointManager(full.settings) as manager:
        fill(full, lambda n: manager.save(f"job-{n % 20}", "a", {**DATA, "n": n}))
        full.project()
        publish_what_is_archived(full)
        assert full.call(trim(full.partition(0), 0))
        assert manager.save("job", "a", DATA)
        assert used(full) < limit(full)


def test_a_claim_is_renewed_in_a_redis_that_is_full(full: RealLog) -> None:
    claim = Claim("held", "w", lease=60.0)
    core = full.run(take(Core(full.settings), claim, "held"))
    short = full.run(take(Core(full.settings), Claim("short", "w", lease=60.0), "short"))
    with CheckpointManager(full.settings) as manager:
        fill(full, lambda n: manager.save(f"job-{n}", "a", DATA))
    full.run(renew(core, claim))
    hurried = short.with_token(short.token, 200_000.0)  # more than the job has left
    full.run(renew(hurried, Claim("short", "w", lease=80_000.0)))
    assert [one.event.__class__.__name__ for one in full.entries("short")] == [
        "JobClaimed",
        "JobRenewed",
    ]


def test_a_full_redis_that_was_restarted_is_fenced(full: RealLog) -> None:
    with CheckpointManager(full.settings) as manager:
        fill(full, lambda n: manager.save(f"job-{n}", "a", DATA))
    keys = full.partition(0)
    assert full.call(Call(SET_FENCE, [keys.meta, keys.log], [4_000_000_000_000]))
    assert full.client.hget(keys.meta, "fence") == b"4000000000000"
    assert full.client.hget(topic_meta(full.settings.namespace), "id")
