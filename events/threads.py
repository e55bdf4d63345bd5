"""Threads for calls that know no deadline: who asks waits no longer than they choose to.

Such a call may wait for a server, a name or a file for ever. It cannot be interrupted in a thread
of its own either, so neither Ctrl-C nor a cancelled task leaves half of it behind.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from math import inf
from time import monotonic
from typing import Any, TypeVar

from .forks import make_anew_after_fork

T = TypeVar("T")

REST_SECONDS = 1.0
"""How long what nobody waits for any more may go on."""

Work = tuple["Future[Any]", Callable[[], Any]]


class Threads:
    """Up to `most` threads at a time, each as long as there is work. Thread-safe."""

    def __init__(self, most: int) -> None:
        """Take how many threads there may be; they are started when needed."""
        self._most = most
        self.after_fork()
        make_anew_after_fork(self)

    def after_fork(self) -> None:
        """Forget the threads and their work, which are the parent's."""
        # reentrant, for a signal handler may ask while its thread is asking
        self._lock = threading.RLock()
        self._waiting: deque[Work] = deque()
        self._workers: set[threading.Thread] = set()

    def begin(self, work: Callable[[], T]) -> "Future[T]":
        """Do work in a thread, after what was begun before where all of them are busy."""
        answer: Future[T] = Future()
        self._waiting.append((answer, partial(copy_context().run, work)))
        worker = threading.Thread(target=self._work, name="checkpoint", daemon=True)
        with self._lock:
            if len(self._workers) >= self._most:
                return answer
            self._workers.add(worker)
        try:
            worker.start()
        except RuntimeError:  # the interpreter is shutting down, or may have no more threads
            self._workers.discard(worker)
            self._do_all()
        except BaseException:  # Ctrl-C
            if worker.ident is None:
                self._workers.discard(worker)
            raise
        return answer

    def _work(self) -> None:
        while True:
            self._do_all()
            with self._lock:  # nobody begins meanwhile, and counts on this thread
                if not self._waiting:
                    self._workers.discard(threading.current_thread())
                    return

    def _do_all(self) -> None:
        while self._waiting:
            try:
                answer, work = self._waiting.popleft()
            except IndexError:  # another thread was faster
                return
            _do(answer, work)
            del answer, work  # what they hold is not kept until there is more to do


def _do(answer: "Future[Any]", work: Callable[[], Any]) -> None:
    if not answer.set_running_or_notify_cancel():
        return
    try:
        answer.set_result(work())
    except BaseException as error:  # noqa: BLE001 - it is raised where the answer is
        answer.set_exception(error)
        # the error knows this frame, and would keep itself and what it failed at until it is
        # collected
        del answer, work


def result(answer: "Future[T]", until: float, give_up: Callable[[], object]) -> T:
    """Wait for an answer; TimeoutError at `until`, by the monotonic clock.

    `give_up` is called then; where the wait is interrupted before, a little later, for what is
    nearly done need not be begun anew by the next one. What has not begun will not.
    """
    try:
        return answer.result(_left(until))
    finally:
        _let_go(answer, until, give_up)
        del answer, give_up  # as in `_do`


async def async_result(answer: "Future[T]", until: float, give_up: Callable[[], object]) -> T:
    """Wait for an answer as `result` does, in asyncio."""
    try:
        async with asyncio.timeout(_left(until)):
            return await asyncio.wrap_future(answer)
    finally:
        _let_go(answer, until, give_up)
        del answer, give_up  # as in `_do`


def _left(until: float) -> float | None:
    return None if until == inf else max(0.0, until - monotonic())


def _let_go(answer: "Future[Any]", until: float, give_up: Callable[[], object]) -> None:
    if answer.done() or answer.cancel():
        return
    rest = min(until - monotonic(), REST_SECONDS)
    if rest <= 0:
        give_up()
        return
    timer = threading.Timer(rest, give_up)
    timer.daemon = True
    try:
        timer.start()
    except RuntimeError:  # there may be no more threads
        give_up()
    else:
        answer.add_done_callback(lambda _: timer.cancel())
