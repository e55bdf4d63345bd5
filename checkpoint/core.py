"""What the managers do, written once: generators of steps, run by a blocking or an asyncio manager.

Nothing here performs I/O; `events.steps` says what may be asked of whoever runs a generator.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from random import random
from time import monotonic
from typing import Any, TypeVar

from checkpoint.events import payload
from checkpoint.events.append import Appended, Batch, Request, batches
from checkpoint.events.creation import Log, open_log
from checkpoint.events.entry_id import EntryId
from checkpoint.events.errors import (
    ArchiveNotConfigured,
    CheckpointError,
    IncarnationEnded,
    InvalidSettings,
    LogNotReady,
    LogUnavailable,
    NotDurableYet,
    NotSynced,
)
from checkpoint.events.event import JobDeleted, StageCompleted, StageFailed
from checkpoint.events.freshness import Place, on_fresh_log
from checkpoint.events.keys import PartitionKeys, partition_of
from checkpoint.events.names import check_name
from checkpoint.events.settings import ACKS, Settings
from checkpoint.events.steps import Pause, Steps, SyncedCall, command
from checkpoint.query.lookup import Answer, ask_archive, look_up, look_up_past
from checkpoint.query.pipeline import OPEN, Pipeline
from checkpoint.query.progress import JobProgress, job_progress
from checkpoint.query.replay import HistoryEvent, history_event, replay_archive, replay_job
from checkpoint.query.resume import ResumePoint, data_of, resume_point

FIRST_PAUSE = 0.02
LONGEST_PAUSE = 1.0
BLOCK_MS = 1000
MESSAGE_CHARACTERS = 2000

T = TypeVar("T")

StageData = tuple[str, str, Any]
"""A job, a stage, and the data to save."""


@dataclass(slots=True)
class Core:
    """The managers' verbs as steps, and the one thing they remember: which log it is."""

    settings: Settings
    pipeline: Pipeline = OPEN
    token: str = ""
    """Of the claim under which events are appended, or "" for none."""
    log: Log | None = field(default=None, init=False)
    known: Log | None = field(default=None, init=False)
    """The log as it was last seen, which a new one must not quietly replace."""

    def save_many(
        self,
        items: Iterable[StageData],
        *,
        ack: str | None = None,
        expected_version: int | None = None,
        key: str | None = None,
    ) -> Steps[list[Appended]]:
        """Append completed stages; the results come in the order of the items."""
        requests = [
            Request(
                StageCompleted(
                    job=check_name("job", job),
                    stage=self.pipeline.check(stage),
                    pipeline=self.pipeline.name,
                    data=payload.encode(data, self.settings.max_payload),
                    ttl_ms=self.ttl_ms,
                    key="" if key is None else check_name("key", key),
                ),
                key=key,
                expected_version=expected_version,
                token=self.token,
            )
            for job, stage, data in items
        ]
        return (yield from self.append(requests, ack))

    def fail(self, job: str, stage: str, error: BaseException) -> Steps[Appended]:
        """Append that an attempt at a stage failed."""
        failed = StageFailed(
            job=check_name("job", job),
            stage=self.pipeline.check(stage),
            pipeline=self.pipeline.name,
            error=type(error).__name__,
            message=payload.storable(str(error))[:MESSAGE_CHARACTERS],
            ttl_ms=self.ttl_ms,
        )
        return (yield from self.append([Request(failed, token=self.token)], "log"))[0]

    def delete(self, job: str) -> Steps[bool]:
        """End the job's incarnation; False where it has no live one."""
        deleted = JobDeleted(job=check_name("job", job), ttl_ms=self.ttl_ms)
        try:
            yield from self.append([Request(deleted, kind="delete", token=self.token)], None)
        except IncarnationEnded:
            return False
        return True

    def load(self, job: str, stage: str, type: Any = None) -> Steps[Any]:  # noqa: A002 - public word
        """Find the data saved with a stage; None where there is none."""
        self.pipeline.check(stage)
        answer = yield from self._answer(job, stage)
        checkpoint = answer.live.checkpoints.get(stage)
        return None if checkpoint is None else data_of(checkpoint, type)

    def is_completed(self, job: str, stage: str) -> Steps[bool]:
        """Say whether a stage has a live checkpoint."""
        self.pipeline.check(stage)
        answer = yield from self._answer(job, stage)
        return stage in answer.live.checkpoints

    def resume_point(self, job: str) -> Steps[ResumePoint | None]:
        """Derive the job's resume point."""
        return resume_point(job, (yield from self._answer(job)), self.pipeline)

    def progress(self, job: str) -> Steps[JobProgress]:
        """Derive the job's progress, also of a job that is gone."""
        check_name("job", job)
        place = yield from self._place()
        with self._log_may_be_lost():
            answer = yield from (look_up_past(place, job) if place else ask_archive(job))
        return job_progress(job, answer, self.pipeline)

    def history(self, job: str) -> Steps[list[HistoryEvent]]:
        """Replay the job: every event of it that archive and log have."""
        check_name("job", job)
        place = yield from self._place()
        entries = yield from replay_job(place, job) if place else replay_archive(job)
        return [history_event(entry) for entry in entries]

    def wait_until_durable(
        self, appended: Iterable[Appended], deadline: float | None = None
    ) -> Steps[None]:
        """Wait for the archive's watermark to pass entries; NotDurableYet at the deadline."""
        if self.settings.postgres_url is None:
            raise ArchiveNotConfigured
        log = yield from self.open()
        until = self._deadline() if deadline is None else deadline
        for job, entry, *_ in appended:
            number = partition_of(job, log.partitions)
            watermark = PartitionKeys(self.settings.namespace, number).watermark
            yield from _wait_for(watermark, job, entry, until)

    def open(self) -> Steps[Log]:
        """Find the log or create it, once."""
        if self.log is None:
            settings = self.settings
            has_archive = settings.postgres_url is not None
            self.log = self.known = yield from open_log(
                settings.namespace,
                settings.partitions,
                has_archive=has_archive,
                known=self.known,
            )
        return self.log

    @property
    def ttl_ms(self) -> int:
        """How long a job lives after an event, in milliseconds."""
        return max(1, round(self.settings.ttl * 1000))

    def _deadline(self) -> float:
        return monotonic() + self.settings.timeout

    def _answer(self, job: str, stage: str = "") -> Steps[Answer]:
        check_name("job", job)
        place = yield from self._place()
        with self._log_may_be_lost():
            return (yield from (look_up(place, job, stage) if place else ask_archive(job)))

    def _place(self) -> Steps[Place | None]:
        """Say where to look; None where Redis is away and only the archive is left."""
        try:
            return self.place((yield from self.open()))
        except LogUnavailable:
            if self.settings.postgres_url is None:
                raise
            return None

    def place(self, log: Log) -> Place:
        """Say where the log is, and whether it has an archive."""
        return Place(
            self.settings.namespace, log.partitions, self.settings.postgres_url is not None
        )

    def append(self, requests: Sequence[Request], ack: str | None) -> Steps[list[Appended]]:
        """Append events and wait for `ack`; the results come in the order of the requests."""
        wanted = self.settings.ack if ack is None else ack
        if wanted not in ACKS:
            raise InvalidSettings(f"ack={wanted!r}: it is one of {', '.join(ACKS)}")
        if wanted == "durable" and self.settings.postgres_url is None:
            raise ArchiveNotConfigured
        deadline = self._deadline()
        log = yield from _retried(self.open, deadline)
        found: dict[str, list[Appended]] = {}
        for batch in batches(requests, self.settings.namespace, log.partitions):
            for one in (yield from self._append_batch(self.place(log), batch, wanted, deadline)):
                found.setdefault(one.job, []).append(one)
        answers = {job: iter(rows) for job, rows in found.items()}
        appended = [next(answers[request.event.job]) for request in requests]
        if wanted == "durable":
            yield from self.wait_until_durable(appended, deadline)
        return appended

    def _append_batch(
        self, place: Place, batch: Batch, ack: str, deadline: float
    ) -> Steps[list[Appended]]:
        retries = count()

        def attempt() -> Steps[list[Appended]]:
            call = batch.call(retry=next(retries) > 0)
            if ack != "synced":
                return batch.read((yield from on_fresh_log(place, call)))
            wait_ms = max(1, int((deadline - monotonic()) * 1000))
            reply, synced = yield from on_fresh_log(place, SyncedCall(call, wait_ms))
            appended = batch.read(reply)
            if not synced:
                raise NotSynced
            return appended

        with self._log_may_be_lost():
            return (yield from _retried(attempt, deadline))

    @contextmanager
    def _log_may_be_lost(self) -> Iterator[None]:
        """Forget which log it is once Redis no longer holds it."""
        try:
            yield
        except LogNotReady:
            self.log = None
            raise


@contextmanager
def noted(error: BaseException) -> Iterator[None]:
    """Let `error` go on alone if recording it fails too, with a note that says so."""
    try:
        yield
    except CheckpointError as second:
        error.add_note(f"The failure could not be recorded: {second}")


def _retried(attempt: Callable[[], Steps[T]], deadline: float) -> Steps[T]:
    """Run an attempt, and again with growing, jittered pauses while Redis is away."""
    pause = FIRST_PAUSE
    while True:
        try:
            return (yield from attempt())
        except LogUnavailable:
            wait = pause * (0.5 + random())  # noqa: S311 - jitter, not a secret
            if monotonic() + wait >= deadline:
                raise
            yield Pause(wait)
            pause = min(2 * pause, LONGEST_PAUSE)


def _wait_for(watermark: str, job: str, entry: EntryId, deadline: float) -> Steps[None]:
    """Block until the watermark stream has an entry at or past `entry`."""
    while (left_ms := int((deadline - monotonic()) * 1000)) > 0:
        block = min(left_ms, BLOCK_MS)
        if (yield from command("XREAD", "BLOCK", block, "STREAMS", watermark, str(entry.before))):
            return
    raise NotDurableYet(
        f"Entry {entry} of job {job!r} is in the log, but the archive did not commit it in time: "
        "see that a snapshotter runs, and wait again with wait_until_durable",
        entry_id=str(entry),
    )
