"""Processes that a manager crosses to: forked ones, which inherit it, and spawned ones."""

import asyncio
import gc
import multiprocessing
import os
import pickle
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from awaited import Awaited
from real_log import RealLog, a_snapshotter_runs

from checkpoint import AsyncCheckpointManager, CheckpointManager, Settings

# an interrupt between making a socket and keeping it leaves it to the garbage collector, and so
# does an event loop that ends before its manager is closed
pytestmark = pytest.mark.filterwarnings(
    "ignore:unclosed:ResourceWarning",
    "ignore:loop is closed:ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Collect what a test left, before another test is blamed for it."""
    yield
    gc.collect()


def in_child(work: Callable[[], None]) -> int:
    """Do work in a forked child; return its exit status: 0 where it ended well and in time."""
    child = os.fork()
    if not child:
        threading.Timer(10, os._exit, [9]).start()
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.fixture(params=[CheckpointManager, Awaited], ids=["blocking", "asyncio"])
def manager(request: pytest.FixtureRequest, archived_log: RealLog) -> Iterator[Any]:
    with a_snapshotter_runs(archived_log), request.param(archived_log.settings) as made:
        made.save("parent", "a", 1, ack="durable")
        yield made


def test_a_child_and_its_parent_use_what_both_have(archived_log: RealLog, manager: Any) -> None:
    def work() -> None:
        child = Awaited(manager=manager.manager) if isinstance(manager, Awaited) else manager
        for n in range(20):
            assert child.save(f"child-{n}", "a", n, ack="durable").job == f"child-{n}"
            assert child.load("parent", "a") == 1
        child.close()

    assert [in_child(work) for _ in range(3)] == [0] * 3
    for n in range(20):
        assert manager.save(f"parent-{n}", "a", n).job == f"parent-{n}"
        assert manager.load(f"child-{n}", "a") == n
    assert manager.save("parent", "b", 1, ack="durable").version == 2


@contextmanager
def held(lock: Any) -> Iterator[None]:
    """Hold a lock in a thread of its own, as a busy thread does."""
    taken, over = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            taken.set()
            over.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait()
    try:
        yield
    finally:
        over.set()
        thread.join()


def locks(root: object) -> list[Any]:
    """Find every lock that can be reached from an object."""
    found, seen, left = [], set(), [root]
    while left:
        one = left.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if hasattr(one, "acquire") and hasattr(one, "__enter__"):
            found.append(one)
        elif type(one).__module__.startswith("checkpoint"):
            names = [*getattr(one, "__dict__", {}), *getattr(type(one), "__slots__", ())]
            left += [getattr(one, name) for name in names if hasattr(one, name)]
        elif isinstance(one, dict):
            left += one.values()
    return found


def test_no_lock_that_a_fork_finds_held_is_waited_for(archived_log: RealLog, tmp_path: Any) -> None:
    with (
        a_snapshotter_runs(archived_log),
        CheckpointManager(archived_log.settings, spool=tmp_path / "spool") as manager,
    ):
        manager.save("a", "b", 1, ack="durable")
        manager.get_job_history("a")

        def work() -> None:
            manager.save("a", "c", 1, ack="durable")
            assert len(manager.get_job_history("a")) >= 2

        reachable = locks(manager)
        assert len(reachable) >= 4
        for lock in reachable:
            with held(lock):
                assert in_child(work) == 0, lock


def test_a_child_forked_in_an_event_loop_has_connections_of_its_own(settings: Settings) -> None:
    async def run() -> None:
        async with AsyncCheckpointManager(settings) as manager:
            await manager.save("parent", "a", 1)

            def work() -> None:
                asyncio.run(child(manager))

            pending = [asyncio.create_task(manager.save(f"p{n}", "a", n)) for n in range(50)]
            await asyncio.sleep(0)
            assert in_child(work) == 0
            assert [one.job for one in await asyncio.gather(*pending)] == [
                f"p{n}" for n in range(50)
            ]
            for n in range(50):
                assert await manager.load(f"child-{n}", "a") == n

    async def child(manager: AsyncCheckpointManager) -> None:
        saved = await asyncio.gather(*(manager.save(f"child-{n}", "a", n) for n in range(50)))
        assert [one.job for one in saved] == [f"child-{n}" for n in range(50)]

    asyncio.run(run())


def test_a_forked_child_holds_no_claim_of_its_parent(settings: Settings) -> None:
    with CheckpointManager(settings) as manager:
        block = manager.claim("job")
        job = block.__enter__()
        assert in_child(lambda: block.__exit__(None, None, None) and None) == 0
        job.save("a", 1)
        block.__exit__(None, None, None)
        with manager.claim("job"):
            pass


def save_in_child(manager: Any, job: str) -> None:
    if isinstance(manager, CheckpointManager):
        manager.save(job, "a", 1)
    else:
        asyncio.run(manager.save(job, "a", 1))


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("kind", [CheckpointManager, AsyncCheckpointManager])
def test_a_manager_crosses_to_other_processes(
    settings: Settings, method: str, kind: Any, tmp_path: Any
) -> None:
    manager = kind(settings, pipeline=["a", "b"], spool=tmp_path / "spool")
    save_in_child(manager, "parent")
    child = multiprocessing.get_context(method).Process(
        target=save_in_child, args=[manager, "child"]
    )
    child.start()
    child.join()
    assert child.exitcode == 0
    copied = pickle.loads(pickle.dumps(manager))  # noqa: S301 - what the test is about
    save_in_child(copied, "copied")
    with CheckpointManager(settings) as other:
        assert all(other.is_completed(job, "a") for job in ("parent", "child", "copied"))


def test_a_claimed_job_does_not_cross(settings: Settings) -> None:
    with (
        CheckpointManager(settings) as manager,
        manager.claim("job") as job,
        pytest.raises(TypeError, match="cannot pickle a claimed job"),
    ):
        pickle.dumps(job)
