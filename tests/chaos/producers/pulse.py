"""The pulse of a process: that it lives, and for how long it got no time."""

import threading
import time

from chaos.evidence.records import Record

from .journal import Journal

BEAT_SECONDS = 0.05
WRITE_SECONDS = 0.5
STALL_SECONDS = 0.1


def start_pulse(journal: Journal) -> None:
    """Record the process' pulse in a thread for as long as it lives; a fork needs its own."""
    threading.Thread(target=_beat, args=[journal], name="pulse", daemon=True).start()


def _beat(journal: Journal) -> None:
    written = last = time.monotonic()
    while True:
        time.sleep(BEAT_SECONDS)
        now = time.monotonic()
        stalled = now - last - BEAT_SECONDS
        last = now
        if stalled > STALL_SECONDS:
            journal.write(Record("pulse", stalled=stalled))
            written = now
        elif now - written > WRITE_SECONDS:
            journal.write(Record("pulse"))
            written = now
