"""`python -m bench.hot NAME COUNT`: call one of the hot functions so often, and do nothing else."""

import sys
from collections.abc import Callable
from typing import Any

from checkpoint.events import codec, entry, payload
from checkpoint.events.event import StageCompleted
from checkpoint.projector.fold import NOTHING, fold, fold_all

from .workload import DATA, STAGES, job_name


def _event(number: int = 0) -> StageCompleted:
    return StageCompleted(job=job_name(0), stage=STAGES[number], data=payload.encode(DATA))


EVENT = _event()
ENCODED = codec.encode(EVENT)
FIELDS = [b"event", ENCODED, b"version", b"9", b"incarnation", b"1700000000000-0"]
ENTRIES = [
    entry.decode(
        b"1700000000000-%d" % number,
        [
            *(b"event", codec.encode(_event(number))),
            *(b"version", b"%d" % (number + 1)),
            *(b"incarnation", b"1700000000000-0" if number else b""),
        ],
    )
    for number in range(8)
]
STATE = fold_all(NOTHING, ENTRIES[:7])

FUNCTIONS: dict[str, Callable[[], Any]] = {
    "encode the data of a stage": lambda: payload.encode(DATA),
    "encode an event": lambda: codec.encode(EVENT),
    "decode an entry": lambda: entry.decode(b"1700000000001-0", FIELDS),
    "fold an entry, the eighth of its job": lambda: fold(STATE, ENTRIES[7]),
}


if __name__ == "__main__":
    called = FUNCTIONS[sys.argv[1]]
    for _ in range(int(sys.argv[2])):
        called()
