"""The core of a manager: the log as it knows it, and the way into it, written once as steps.

Nothing here performs I/O: a blocking or an asyncio manager runs the generators, and `events.steps`
says what they may ask of it. What is appended is made in `saves`, `claim` and `travel`, and what is
said of a job in `answers`.
"""

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Self, TypeVar

from checkpoint.events.append import Appended, AppendedBatch, Batch, Request, batches
from checkpoint.events.crash_point import crash_point
from checkpoint.events.creation import Log, open_log
from checkpoint.events.entry_id import EntryId
from checkpoint.events.errors import (
    ArchiveNotConfigured,
    InvalidSettings,
    LogNotReady,
    LogUnavailable,
    NotDurableYet,
    NotSynced,
    UnsupportedServer,
)
from checkpoint.events.event import DAY_MS
from checkpoint.events.freshness import Place, on_fresh_log
from checkpoint.events.keys import PartitionKeys, partition_of
from checkpoint.events.server import check_server, no_sync
from checkpoint.events.settings import ACKS, Settings
from checkpoint.events.steps import Alone, Deadline, Steps, SyncedCall, together
from checkpoint.events.tracing import appending
from checkpoint.events.watermark import (
    confirm_archived,
    confirm_none_dead,
    not_durable_yet,
    wait_for,
)
from checkpoint.query.pipeline import OPEN, Pipeline, declare

from .drain import append_or_spool, last_id_after_drain
from .last_seen import LastSeen
from .losses import Acknowledged, name_losses
from .retry import retried

if TYPE_CHECKING:
    from .spool import Spool

T = TypeVar("T")


@dataclass(slots=True)
class Core:
    """What a manager remembers, and how it appends."""

    settings: Settings
    pipeline: Pipeline = OPEN
    token: str = ""
    """Of the claim under which events are appended, or "" for none."""
    lease: float = 0.0
    """Of that claim, in seconds."""
    spool: "Spool | None" = None
    """Where saves wait while Redis is away."""
    log: Log | None = field(default=None, init=False)
    no_sync: str | None = field(default=None, init=False)
    """Why this Redis cannot do ack="synced", if it cannot."""
    known: Log | None = field(default=None, init=False)
    """The log as it was last seen, which a new one must not quietly replace."""
    acknowledged: Acknowledged = field(default_factory=Acknowledged, init=False)
    """What the log must have, unless Redis lost it."""
    last_seen: LastSeen = field(default_factory=LastSeen, init=False)
    """The newest entries that this manager saw: no answer may be older."""

    def with_token(self, token: str, lease: float = 0.0) -> Self:
        """Return the same core, which knows the same log, under a claim of so many seconds."""
        other = copy(self)
        other.token, other.lease = token, lease
        return other

    def with_pipeline(self, pipeline: Pipeline) -> Self:
        """Return the same core, which knows the same log, for another pipeline."""
        other = copy(self)
        other.pipeline = pipeline
        other.log = None  # to be found again, and the pipeline declared
        return other

    def with_timeout(self, timeout: float) -> Self:
        """Return the same core, which knows the same log, with another deadline for its calls."""
        other = copy(self)
        other.settings = replace(self.settings, timeout=timeout)
        return other

    @classmethod
    def of(cls, settings: Settings, pipeline: Pipeline, spool: str | Path | None = None) -> Self:
        """Make a core, with a spool if one is named here or in the settings."""
        if (path := spool or settings.spool) is None:
            return cls(settings, pipeline)
        from .spool import Spool  # noqa: PLC0415 - `import checkpoint` stays light

        return cls(settings, pipeline, spool=Spool(path, settings.namespace))

    def remake(self, manager: Callable[..., T]) -> tuple[Callable[..., T], tuple[Any, ...]]:
        """Return what makes a manager anew in another process; TypeError under a claim."""
        if self.token:
            raise TypeError("cannot pickle a claimed job: the process that claimed it holds it")
        spool = self.spool.path if self.spool else None
        return partial(manager, pipeline=self.pipeline, spool=spool), (self.settings,)

    def open(self) -> Steps[Log]:
        """Find the log or create it: one for all threads and tasks that come at the same time."""
        if (log := self.log) is not None:  # read once: another thread may find it lost meanwhile
            return log
        opened: Log = yield Alone(self._open(), (yield from self.deadline()))
        return opened

    def _open(self) -> Steps[Log]:
        if (log := self.log) is None:
            self.no_sync = no_sync((yield from check_server()))
            settings = self.settings
            has_archive = settings.postgres_url is not None
            log = yield from open_log(
                settings.namespace, settings.partitions, has_archive=has_archive, known=self.known
            )
            self.log = self.known = log
            yield from declare(settings.namespace, self.pipeline)
            self.acknowledged.suspect_all()
        return log

    @property
    def ttl_ms(self) -> int:
        """How long a job lives after an event, in milliseconds: a held one as long as its lease."""
        ms = max(1, round(max(self.settings.ttl, self.lease) * 1000))
        return DAY_MS if ms == DAY_MS else ms  # by this very int it is known for the default

    def deadline(self) -> Steps[float]:
        """Return when what begins now must end, and the call that it is part of with it."""
        until: float = yield Deadline()
        return min(until, monotonic() + self.settings.timeout)

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
        deadline = yield from self.deadline()
        with appending(requests) as traced:
            if self.spool:
                return (yield from append_or_spool(self, self.spool, traced, wanted, deadline))
            return (yield from self.append_now(traced, wanted, deadline))

    def append_now(
        self, requests: Sequence[Request], ack: str, deadline: float
    ) -> Steps[list[Appended]]:
        """Append events to the log and wait for `ack`, until the deadline."""
        log = self.log or (yield from retried(lambda _: self.open(), deadline))
        if ack == "synced" and self.no_sync:
            raise UnsupportedServer(self.no_sync)
        place = self.place(log)
        parts = [
            self.append_batch(place, batch, ack, deadline)
            for batch in batches(requests, self.settings.namespace, log.partitions)
        ]
        answers = yield from together(parts)
        places = {job: iter(rows) for one in answers for job, rows in one.jobs.items()}
        appended = [next(places[request.event.job]) for request in requests]
        if self.acknowledged.is_doubtful:
            yield from name_losses(self, place, deadline)
        if ack == "durable":
            try:
                yield from self.wait_until_durable(appended, deadline)
            except NotDurableYet as error:
                error.saved = tuple(appended)
                raise
        return appended

    def wait_until_durable(
        self, appended: Iterable[Appended], deadline: float | None = None
    ) -> Steps[None]:
        """Wait for the archive's watermark to pass entries; NotDurableYet at the deadline.

        EventRefused where one is a dead letter of the archive, EventLost where Redis lost it.
        """
        if self.settings.postgres_url is None:
            raise ArchiveNotConfigured
        until = (yield from self.deadline()) if deadline is None else deadline
        log = yield from self.open()
        for one in appended:
            entry = (yield from last_id_after_drain(self, one, until)) if one.spooled else one.id
            number = partition_of(one.job, log.partitions)
            partition = PartitionKeys(self.settings.namespace, number)
            is_sure = yield from _archived(partition, one.job, entry, until)
            if one.spooled:
                yield from confirm_none_dead(partition, one.job)
            elif not is_sure:
                yield from confirm_archived(partition, one.job, entry)

    def append_batch(
        self, place: Place, batch: Batch, ack: str, deadline: float
    ) -> Steps[AppendedBatch]:
        """Append events of one partition: all of them or, where one is refused, none."""
        attempt = partial(self._attempt, place, batch, ack, deadline)
        try:
            return (yield from retried(attempt, deadline))
        except LogNotReady:
            self.log = None
            raise

    def _attempt(
        self, place: Place, batch: Batch, ack: str, deadline: float, tries: int
    ) -> Steps[AppendedBatch]:
        call = batch.call(again=tries > 0)
        crash_point("append: before the script")
        synced = True
        if ack == "synced":
            synced_call = SyncedCall(call, deadline, self.settings.longest_block)
            reply, synced = yield from on_fresh_log(place, synced_call)
        else:
            reply = yield from on_fresh_log(place, call)
        crash_point("append: after the script")
        answer = batch.read(reply)
        self.acknowledged.note(answer)
        for job, places in answer.jobs.items():
            self.last_seen.note(job, answer.partition, max(one.id for one in places))
        if not synced:
            raise NotSynced
        return answer


def _archived(partition: PartitionKeys, job: str, entry: EntryId, deadline: float) -> Steps[bool]:
    """Wait for the watermark also while Redis is away: the event is in the log all the same."""
    try:
        return (yield from retried(lambda _: wait_for(partition, job, entry, deadline), deadline))
    except LogUnavailable as error:
        raise not_durable_yet(job, entry) from error
