"""Commands as bytes."""

import subprocess
import sys

from checkpoint.events.packed import pack

INTERRUPTED = """
import random, signal, time
from checkpoint.events.packed import pack

class Interrupt(Exception):
    pass

armed = False

def interrupt(*_):
    if armed:
        raise Interrupt

signal.signal(signal.SIGALRM, interrupt)
interrupts, end = 0, time.monotonic() + 5
while time.monotonic() < end:
    try:
        try:
            armed = True
            signal.setitimer(signal.ITIMER_REAL, 1e-6 + random.random() * 2e-4)
            for number in range(30):
                pack(("EVALSHA", "0" * 40, 4, *"abcd", "stage", 1_000_000 + number, b"x" * 50))
        finally:
            armed = False
    except Interrupt:
        interrupts += 1
print(interrupts)
"""


def test_a_number_is_packed_as_its_digits() -> None:
    packed = b"*4\r\n$4\r\nECHO\r\n$2\r\n42\r\n$2\r\n-7\r\n$3\r\n\xc3\xa9\xff\r\n"
    assert pack(("ECHO", 42, -7, b"\xc3\xa9\xff")) == packed


def test_a_signal_handler_that_raises_does_not_end_the_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 1000
