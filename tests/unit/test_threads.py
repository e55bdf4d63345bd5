"""Threads: work that nobody has to wait for."""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from typing import Any

import pytest

from checkpoint.events import threads
from checkpoint.events.threads import Threads, async_result, result

WAIT = 10.0
"""How long a test waits for what should come at once."""


def nothing() -> None:
    """Give nothing up."""


@contextmanager
def busy(pool: Threads, count: int = 1) -> Iterator[list["Future[bool]"]]:
    """Keep threads busy as long as the block runs."""
    over, begun = threading.Event(), threading.Barrier(count + 1)

    def work() -> bool:
        begun.wait(WAIT)
        return over.wait(WAIT)

    answers = [pool.begin(work) for _ in range(count)]
    begun.wait(WAIT)
    try:
        yield answers
    finally:
        over.set()
        for one in answers:
            one.result(WAIT)


def test_an_answer_or_an_error_comes_to_who_asks() -> None:
    pool = Threads(2)
    assert result(pool.begin(lambda: 7), inf, nothing) == 7
    with pytest.raises(ZeroDivisionError):
        result(pool.begin(lambda: 1 / 0), inf, nothing)
    assert asyncio.run(async_result(pool.begin(lambda: 7), inf, nothing)) == 7


def test_work_sees_the_context_of_who_asks() -> None:
    variable: ContextVar[str] = ContextVar("variable")
    variable.set("mine")
    assert Threads(1).begin(variable.get).result(WAIT) == "mine"


def test_there_are_no_more_threads_than_may_be_and_all_work_is_done() -> None:
    pool, running, most, lock = Threads(3), 0, 0, threading.Lock()

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.001)
        with lock:
            running -= 1

    for one in [pool.begin(work) for _ in range(100)]:
        one.result(WAIT)
    assert most == 3


def test_one_that_hangs_keeps_no_other_waiting() -> None:
    pool = Threads(2)
    with busy(pool):
        assert [pool.begin(lambda n=n: n).result(WAIT) for n in range(9)] == [*range(9)]


def test_threads_end_when_there_is_no_more_work() -> None:
    pool = Threads(4)
    found = pool.begin(threading.current_thread).result(WAIT)
    found.join(WAIT)
    assert not found.is_alive()
    assert found.daemon
    assert pool.begin(lambda: 1).result(WAIT) == 1


def blocking(answer: "Future[Any]", until: float, give_up: Callable[[], object]) -> Any:
    return result(answer, until, give_up)


def in_asyncio(answer: "Future[Any]", until: float, give_up: Callable[[], object]) -> Any:
    return asyncio.run(async_result(answer, until, give_up))


@pytest.mark.parametrize("wait", [blocking, in_asyncio])
def test_at_the_deadline_what_runs_is_given_up(wait: Callable[..., Any]) -> None:
    given_up = threading.Event()
    with busy(Threads(1)) as (answer,):
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            wait(answer, begun + 0.2, given_up.set)
        assert 0.2 <= time.monotonic() - begun < 2
        assert given_up.is_set()


@pytest.mark.parametrize("wait", [blocking, in_asyncio])
def test_at_the_deadline_what_has_not_begun_is_never_begun(wait: Callable[..., Any]) -> None:
    pool, done = Threads(1), threading.Event()
    with busy(pool):
        later = pool.begin(done.set)
        with pytest.raises(TimeoutError):
            wait(later, time.monotonic() + 0.05, nothing)
    assert later.cancelled()
    assert pool.begin(lambda: 1).result(WAIT) == 1
    assert not done.is_set()


def test_what_a_cancelled_task_asked_may_end_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "REST_SECONDS", 0.3)
    given_up = threading.Event()

    async def run(answer: "Future[bool]") -> bool:
        task = asyncio.create_task(async_result(answer, inf, given_up.set))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    with busy(Threads(1)) as (answer,):
        assert asyncio.run(run(answer))
        assert not given_up.is_set()
        assert given_up.wait(WAIT)


def test_what_ends_in_that_while_is_not_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "REST_SECONDS", 0.3)
    given_up = threading.Event()

    async def run(answer: "Future[bool]") -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(async_result(answer, inf, given_up.set), 0.05)

    with busy(Threads(1)) as (answer,):
        asyncio.run(run(answer))
    assert not given_up.wait(0.6)


def test_where_no_thread_can_be_started_the_work_is_done_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    pool = Threads(1)
    assert pool.begin(threading.get_ident).result(0) == threading.get_ident()
    assert pool.begin(threading.get_ident).result(0) == threading.get_ident()


def test_an_interrupt_before_a_thread_runs_does_not_count_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(self: threading.Thread) -> None:
        raise KeyboardInterrupt

    pool = Threads(1)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", interrupt)
        with pytest.raises(KeyboardInterrupt):
            pool.begin(lambda: 1)
    assert pool.begin(lambda: 2).result(WAIT) == 2


def test_a_forked_child_has_threads_of_its_own() -> None:
    pool = Threads(1)
    with busy(pool):
        if not (child := os.fork()):
            os._exit(pool.begin(lambda: 7).result(WAIT))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
