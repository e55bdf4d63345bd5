"""Rations: processes that run only a part of the time, so that a small machine has room for all."""

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

TURN_SECONDS = 0.2


@contextmanager
def rationed(processes: Sequence[int], share: float) -> Iterator[None]:
    """Let each process run for `share` of every turn, one after the other, while the block does.

    ValueError where the shares are more than a whole turn.
    """
    if share * len(processes) > 1:
        raise ValueError(f"{len(processes)} shares of {share} are more than there is")
    is_over = threading.Event()
    keeper = threading.Thread(target=_keep, args=(processes, share, is_over), daemon=True)
    keeper.start()
    try:
        yield
    finally:
        is_over.set()
        keeper.join()


def _keep(processes: Sequence[int], share: float, is_over: threading.Event) -> None:
    for one in processes:
        _send(one, signal.SIGSTOP)
    while not is_over.is_set():
        begun = time.monotonic()
        for one in processes:
            _send(one, signal.SIGCONT)
            time.sleep(TURN_SECONDS * share)
            _send(one, signal.SIGSTOP)
        time.sleep(max(0.0, begun + TURN_SECONDS - time.monotonic()))
    for one in processes:
        _send(one, signal.SIGCONT)


def _send(process: int, what: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # it has ended: who waits for its work finds out
        os.kill(process, what)
