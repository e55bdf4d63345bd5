"""Calls that are cut short leave nothing behind: cancellation, ended loops, Ctrl-C, signals."""

import asyncio
import gc
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from real_log import RealLog, a_snapshotter_runs

from checkpoint import (
    AsyncCheckpointManager,
    CheckpointManager,
    JobClaimed,
    Settings,
    WrongEventLoop,
)

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


async def is_free(manager: AsyncCheckpointManager, job: str) -> bool:
    try:
        async with manager.claim(job, owner="other"):
            return True
    except JobClaimed:
        return False


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_task_that_is_cancelled_while_it_claims_leaves_no_claim(
    settings: Settings, times: int
) -> None:
    async def hold(manager: AsyncCheckpointManager, job: str) -> None:
        async with manager.claim(job, owner="w", lease=30):
            await asyncio.sleep(60)

    async def run() -> None:
        async with AsyncCheckpointManager(settings) as manager:
            for n in range(40):
                task = asyncio.create_task(hold(manager, f"j{n}"))
                for _ in range(n % 8):
                    await asyncio.sleep(0)
                if n % 2:
                    await asyncio.sleep(n / 20_000)
                for _ in range(times):
                    task.cancel()
                    await asyncio.sleep(0)
                await asyncio.wait([task])
                assert task.cancelled()
                assert await is_free(manager, f"j{n}"), n

    asyncio.run(run())


def test_a_loop_that_ends_leaves_no_claim(settings: Settings) -> None:
    async def leave(manager: AsyncCheckpointManager) -> None:
        async def hold() -> None:
            async with manager.claim("job", lease=30):
                await asyncio.sleep(60)

        task = asyncio.create_task(hold())
        await asyncio.sleep(0.2)
        assert not task.done()

    manager = AsyncCheckpointManager(settings)
    asyncio.run(leave(manager))
    assert asyncio.run(is_free(manager, "job"))
    asyncio.run(manager.close())


def test_ctrl_c_while_claiming_leaves_no_claim(settings: Settings) -> None:
    with CheckpointManager(settings) as manager:
        for n in range(60):

            def claim(job: str = f"j{n}") -> None:
                with manager.claim(job, lease=30):
                    pass

            interrupt(0.0002 + n / 20_000, claim)
            with manager.claim(f"j{n}", owner="other"):
                pass


def interrupt(seconds: float, work: Callable[[], None]) -> None:
    """Interrupt work once, as Ctrl-C does, if it takes longer than so many seconds."""
    is_armed = False

    def handle(*_: object) -> None:
        nonlocal is_armed
        if is_armed:
            is_armed = False
            raise KeyboardInterrupt

    main = threading.main_thread().ident
    previous = signal.signal(signal.SIGUSR1, handle)
    sender = threading.Timer(seconds, signal.pthread_kill, [main, signal.SIGUSR1])
    sender.start()
    try:
        is_armed = True
        work()
        is_armed = False
    except KeyboardInterrupt:
        pass
    sender.join()
    signal.signal(signal.SIGUSR1, previous)


def test_durable_waits_that_are_cut_short_are_not_in_the_way_of_later_ones(
    archived_log: RealLog,
) -> None:
    manager = AsyncCheckpointManager(archived_log.settings)

    async def logged(events: int) -> None:
        while archived_log.events() < events:  # noqa: ASYNC110 - the log is on a server
            await asyncio.sleep(0.01)

    async def cancel() -> None:
        for number in range(5):
            waiting = asyncio.create_task(manager.save("j", "a", 1, ack="durable"))
            await logged(number + 1)
            waiting.cancel()
            await asyncio.wait([waiting])

    async def leave() -> None:
        waiting = asyncio.create_task(manager.save("j", "b", 1, ack="durable"))
        await logged(6)
        assert not waiting.done()

    async def save() -> int:
        return (await manager.save("j", "c", 1, ack="durable")).version

    asyncio.run(cancel())
    asyncio.run(leave())
    with a_snapshotter_runs(archived_log):
        assert asyncio.run(save()) == 7
        assert asyncio.run(save()) == 8
    asyncio.run(manager.close())


def test_one_wait_that_is_cancelled_does_not_disturb_another(archived_log: RealLog) -> None:
    async def run() -> None:
        async with AsyncCheckpointManager(archived_log.settings) as manager:
            first, second = (
                asyncio.create_task(manager.save("j", stage, 1, ack="durable")) for stage in "ab"
            )
            await asyncio.sleep(0.1)
            first.cancel()
            await asyncio.wait([first])
            with a_snapshotter_runs(archived_log):
                assert (await second).version in {1, 2}

    asyncio.run(run())


FACTORIES = [None, getattr(asyncio, "eager_task_factory", None)]  # which is new in Python 3.12


@pytest.mark.parametrize("factory", FACTORIES, ids=["tasks", "eager tasks"])
def test_tasks_of_every_kind_work(archived_log: RealLog, factory: Any) -> None:
    async def run() -> None:
        asyncio.get_running_loop().set_task_factory(factory)
        async with AsyncCheckpointManager(archived_log.settings) as manager:
            saves = [manager.save(f"j{n}", "a", n, ack="durable") for n in range(20)]
            assert {one.version for one in await asyncio.gather(*saves)} == {1}
            async with manager.claim("j0") as job:
                await job.save("b", 1)
            assert await manager.load("j0", "b") == 1

    with a_snapshotter_runs(archived_log):
        asyncio.run(run())


def test_a_manager_serves_one_loop_after_another(settings: Settings) -> None:
    manager = AsyncCheckpointManager(settings)
    for n in range(3):
        asyncio.run(manager.save("j", "a", n))
        assert asyncio.run(manager.load("j", "a")) == n
    asyncio.run(manager.close())


def test_a_manager_in_two_running_loops_is_an_error_that_says_so(settings: Settings) -> None:
    manager = AsyncCheckpointManager(settings)
    errors: list[Exception] = []

    def in_another_loop() -> None:
        try:
            asyncio.run(manager.save("j", "a", 1))
        except WrongEventLoop as error:
            errors.append(error)

    async def run() -> None:
        await manager.save("j", "a", 1)
        await asyncio.to_thread(in_another_loop)
        await manager.save("j", "a", 2)
        await manager.close()

    asyncio.run(run())
    assert "one for each loop" in str(errors[0])


def opened(log: RealLog) -> int:
    return int(log.client.info("commandstats")["cmdstat_info"]["calls"])


def test_a_cold_manager_opens_the_log_once(log: RealLog) -> None:
    async def run() -> None:
        async with AsyncCheckpointManager(log.settings) as manager:
            await asyncio.gather(*(manager.save(f"j{n}", "a", n) for n in range(500)))

    before = opened(log)
    asyncio.run(run())
    assert opened(log) - before <= 3  # one of them is this test's own


def test_a_cold_manager_opens_the_log_once_for_all_threads(log: RealLog) -> None:
    before = opened(log)
    with CheckpointManager(log.settings) as manager:
        barrier = threading.Barrier(20)

        def save(n: int) -> None:
            barrier.wait()
            manager.save(f"j{n}", "a", n)

        threads = [threading.Thread(target=save, args=[n]) for n in range(20)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    assert opened(log) - before <= 3


@pytest.mark.parametrize("ack", ["log", "durable"])
def test_a_signal_handler_may_save(archived_log: RealLog, ack: str) -> None:
    handled: list[int] = []
    with (
        a_snapshotter_runs(archived_log),
        CheckpointManager(archived_log.settings) as manager,
    ):

        def save(*_: Any) -> None:
            handled.append(manager.save("handled", "a", len(handled), ack=ack).version)

        manager.save("main", "a", 0)
        with every(0.02, save):
            end = time.monotonic() + 3
            n = 0
            while time.monotonic() < end:
                begun = time.monotonic()
                assert manager.save("main", "a", n, ack=ack).job == "main"
                assert manager.load("main", "a") == n
                assert time.monotonic() - begun < 2
                n += 1
        assert len(handled) > 10
        assert handled == list(range(1, len(handled) + 1))


@contextmanager
def every(seconds: float, handler: Any) -> Iterator[None]:
    """Call a signal handler in the main thread again and again, one call at a time."""
    main, is_idle, is_over = threading.main_thread().ident, threading.Event(), threading.Event()
    assert main

    def handle(*arguments: Any) -> None:
        handler(*arguments)
        is_idle.set()

    def send() -> None:
        while not is_over.wait(seconds):
            is_idle.clear()
            signal.pthread_kill(main, signal.SIGUSR1)
            is_idle.wait(5)

    previous = signal.signal(signal.SIGUSR1, handle)
    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        is_over.set()
        sender.join()
        signal.signal(signal.SIGUSR1, previous)


BEGINNINGS = """
import random, signal
from contextlib import closing
from checkpoint import Settings
from checkpoint.answers import history, resume
from checkpoint.core import Core

def interrupt(*_):
    global is_armed
    if is_armed:
        is_armed = False
        raise KeyboardInterrupt

signal.signal(signal.SIGALRM, interrupt)
core, chance = Core(Settings()), random.Random(1)
for _ in range(10_000):
    for answer in (resume, history):
        try:
            is_armed = True
            signal.setitimer(signal.ITIMER_REAL, chance.uniform(1e-6, 3e-5))
            with closing(answer(core, "j")) as steps:
                next(steps)
            is_armed = False
        except KeyboardInterrupt:
            pass
signal.setitimer(signal.ITIMER_REAL, 0)
"""


def test_ctrl_c_at_the_beginning_of_a_lookup_does_not_crash_the_interpreter() -> None:
    subprocess.run([sys.executable, "-c", BEGINNINGS], check=True)


def test_calls_that_ctrl_c_ends_mix_up_no_replies(settings: Settings) -> None:
    with CheckpointManager(settings) as manager:
        for n in range(10):
            manager.save(f"j{n}", "a", n)

        def use() -> None:
            # in a destructor Python ignores an interrupt
            end = time.monotonic() + 0.1
            while time.monotonic() < end:
                for n in range(10):
                    assert manager.load(f"j{n}", "a") == n
                    assert manager.save(f"j{n}", "a", n).job == f"j{n}"

        for n in range(200):
            interrupt(0.0001 + (n % 40) / 100_000, use)
        assert [manager.load(f"j{n}", "a") for n in range(10)] == list(range(10))
