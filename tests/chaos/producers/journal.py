"""The journal of a process: every call of a manager, its end, and what came of it."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, Self

import msgspec
from chaos.evidence.records import Record, Recorder

from checkpoint import (
    Appended,
    CheckpointError,
    IncarnationEnded,
    JobClaimed,
    NotDurableYet,
    StaleClaim,
    VersionConflict,
)

REFUSALS = (StaleClaim, JobClaimed, VersionConflict, IncarnationEnded)
"""What the log refuses for good: nothing was appended."""


class Heard:
    """What is to be recorded of a call once it has ended well."""

    def __init__(self, tries: Sequence[Record]) -> None:
        """Take what is tried."""
        self.tries = tries
        self.records: list[Record] = []
        self.appended: list[Appended | None] = []
        self.failed = False

    @property
    def data(self) -> list[dict[str, str]]:
        """The data to save, one for each that is tried: it names the try and its job."""
        return [{"mark": one.mark, "job": one.job} for one in self.tries]

    def acks(self, level: str, appended: Sequence[Appended | None]) -> None:
        """Take where the events stand that were tried; None for a deletion."""
        self.appended = list(appended)
        self.records = [
            changed(one, **{"what": "ack", "level": level, **_place(answer)})
            for one, answer in zip(self.tries, appended, strict=True)
        ]

    def answer(self, job: str, **said: Any) -> None:
        """Take an answer."""
        self.records = [Record("answer", job=job, **said)]


class Journal:
    """Writes down what one process hears of its manager."""

    def __init__(self, life: str, recorder: Recorder, limit: float) -> None:
        """Take the process' name, and how many seconds its manager's calls may take."""
        self.life = life
        self.limit = limit
        self._recorder = recorder
        self._calls = count()

    def forked(self, life: str) -> Self:
        """Return the journal of a process that was forked from this one's and has its manager."""
        other = type(self)(life, self._recorder, self.limit)
        other.write(Record("fork", mark=self.life))
        return other

    def write(self, *records: Record) -> None:
        """Write records of this process."""
        self._recorder.write(*(changed(one, life=self.life) for one in records))

    @contextmanager
    def saving(
        self, op: str, jobs: Sequence[str], *, wait: float = 0.0, **tried: Any
    ) -> Iterator[Heard]:
        """Record a call that appends an event to each of some jobs; see `calling`."""
        name = f"{self.life}/{next(self._calls)}"
        tries = [
            Record("try", job=job, call=name, mark=f"{name}/{n}", **{"kind": "save", **tried})
            for n, job in enumerate(jobs)
        ]
        with self.calling(op, jobs[0], wait=wait, name=name, tries=tries) as heard:
            yield heard

    @contextmanager
    def calling(
        self,
        op: str,
        job: str = "",
        *,
        wait: float = 0.0,
        name: str = "",
        stage: str = "",
        tries: Sequence[Record] = (),
    ) -> Iterator[Heard]:
        """Record a call, its end, and what was heard; its errors go no further."""
        name = name or f"{self.life}/{next(self._calls)}"
        call = Record(
            "call",
            call=name,
            op=op,
            job=job,
            stage=stage,
            limit=self.limit + wait,
            thread=_thread(),
        )
        end = Record("end", call=name)
        heard = Heard(tries)
        self.write(call, *tries)
        try:
            yield heard
        except asyncio.CancelledError:
            self._failed(heard, end, "CancelledError", "", "")
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the judge is to hear of it
            entry = error.entry_id if isinstance(error, NotDurableYet) else ""
            kind = type(error).__name__
            if not isinstance(error, CheckpointError):
                kind = f"{type(error).__module__}.{kind}"
            self._failed(heard, end, kind, str(error), entry)
        else:
            self.write(end, *(changed(one, call=name) for one in heard.records))

    def _failed(self, heard: Heard, end: Record, error: str, text: str, entry: str) -> None:
        what = "refused" if error in {one.__name__ for one in REFUSALS} else "doubt"
        heard.failed = True
        self.write(
            changed(end, error=error, text=text),
            *(changed(one, what=what, error=error, id=entry) for one in heard.tries),
        )


def changed(record: Record, **changes: Any) -> Record:
    """Return a record with some fields changed."""
    return msgspec.structs.replace(record, **changes)


def _thread() -> str:
    """Name the thread or task of the caller: calls of one are one after another, or nested."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    return task.get_name() if task else threading.current_thread().name


def _place(appended: Appended | None) -> dict[str, Any]:
    if appended is None:
        return {}
    if appended.spooled:
        return {"level": "spooled", "jobs": [appended.job]}
    return {
        "id": str(appended.id),
        "version": appended.version,
        "incarnation": str(appended.incarnation),
        "jobs": [appended.job],
    }
