"""The producer: sends messages of a Faust app to the logs of its topics."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import chain, count
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from zlib import crc32

from faust.transport import base
from faust.types import TP, AppT, HeadersArg, RecordMetadata
from mode import Service, get_logger

from .async_lines import AsyncLines
from .connection import SOCKET_SECONDS
from .entry_id import EntryId
from .errors import CheckpointError, InvalidSettings, LogRefused
from .keys import PartitionKeys
from .message import encode
from .outage import AWAY, Outage
from .topics import Topics

if TYPE_CHECKING:
    from .transport import Transport

T = TypeVar("T")

OUTBOX, BATCH = 1000, 512
"""Messages that may wait to be sent, and that are sent at once."""


class Outgoing(NamedTuple):
    """A message on its way."""

    tp: TP
    fields: dict[Any, Any]
    """Names and values, as bytes."""
    sent: "asyncio.Future[RecordMetadata]"


class Producer(base.Producer):
    """Appends messages to logs, in the order in which they were sent, many in one round trip.

    Sending is at-least-once: what was not acknowledged is sent again, for up to the app's
    `producer_request_timeout` seconds. Time stamps, compression and retention are Redis' matter
    and what Faust's settings say of them is not used.
    """

    logger = get_logger(__name__)
    transport: "Transport"

    def __init__(self, transport: "Transport", **kwargs: Any) -> None:
        """Send through the server that `transport` names."""
        super().__init__(transport, **kwargs)
        self._redis = AsyncLines(transport.options.redis_url, SOCKET_SECONDS)
        self._topics = Topics(self._redis)
        self._outbox: asyncio.Queue[Outgoing] = asyncio.Queue(OUTBOX)
        self._outage = Outage(self.logger)
        self._turn = count()

    async def on_stop(self) -> None:
        """Send what is waiting."""
        await self.flush()

    async def on_shutdown(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def flush(self) -> None:
        """Wait until all messages are sent; five seconds at most if this is the end."""
        ending = self.should_stop or self.app.should_stop
        try:
            async with asyncio.timeout(SOCKET_SECONDS if ending else None):
                await self.buffer.flush()
                await self._outbox.join()
        except TimeoutError:
            self.log.warning("Stopping with messages unsent: Redis did not take them")

    async def send(  # noqa: PLR0917 - Faust's signature
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,  # noqa: ARG002 - an entry has Redis' time
        headers: HeadersArg | None,
        *,
        transactional_id: str | None = None,  # noqa: ARG002 - there are no transactions
    ) -> Awaitable[RecordMetadata]:
        """Put a message into the outbox, waiting while that is full; await the result for the rest.

        The result's offset is the entry id as one number: its milliseconds times 2**20 plus its
        sequence number. It raises LogUnavailable where Redis was away for too long.
        """
        tp = TP(topic, await self._choose(topic, key, partition))
        sent = asyncio.get_running_loop().create_future()
        await self._outbox.put(Outgoing(tp, encode(key, value, headers), sent))
        return sent

    async def send_and_wait(self, *args: Any, **kwargs: Any) -> RecordMetadata:
        """Send a message and wait until Redis has it."""
        return await (await self.send(*args, **kwargs))

    async def create_topic(self, topic: str, partitions: int, *_: Any, **__: Any) -> None:
        """Create a topic, or check that it has as many partitions as asked for.

        What else Faust can ask of one (replication, retention, compaction) Redis does not have.
        Raises PartitionCountMismatch.
        """
        await self._persist(lambda: self._topics.declare(topic, partitions))

    def key_partition(self, topic: str, key: bytes) -> TP:
        """Say which partition of a known topic a key belongs to."""
        partitions = self._topics.known(topic)
        if partitions is None:
            raise InvalidSettings(f"Topic {topic!r} is not known: send to it or declare it first")
        return TP(topic, crc32(key) % partitions)

    def supports_headers(self) -> bool:
        """Messages have headers."""
        return True

    async def partitions(self, topic: str) -> int:
        """Return how many partitions a topic has, creating it if it is missing and that is allowed.

        It gets the number that the app declares for it, or else `topic_partitions`. Raises
        LogUnavailable, and InvalidSettings where the app's `topic_allow_declare` is off.
        """
        found = await self._persist(partial(self._topics.partitions, topic))
        if found is not None:
            return found
        if not self.app.conf.topic_allow_declare:
            raise InvalidSettings(
                f"Topic {topic!r} does not exist, and topic_allow_declare is off: create it first"
            )
        wanted = declared_partitions(self.app, topic) or self.app.conf.topic_partitions
        return await self._persist(partial(self._topics.create, topic, wanted))

    async def _choose(self, topic: str, key: bytes | None, partition: int | None) -> int:
        partitions = self._topics.known(topic) or await self.partitions(topic)
        if partition is not None:
            if not 0 <= partition < partitions:
                raise InvalidSettings(
                    f"Topic {topic!r} has the partitions 0 to {partitions - 1}, not {partition}"
                )
            return partition
        if self.partitioner is not None:
            return int(self.partitioner(key, range(partitions), range(partitions)))
        return (next(self._turn) if key is None else crc32(key)) % partitions

    @Service.task
    async def _deliver(self) -> None:
        while True:
            batch = [await self._outbox.get()]
            while len(batch) < BATCH and not self._outbox.empty():
                batch.append(self._outbox.get_nowait())
            await self._deliver_batch(batch)
            for _ in batch:
                self._outbox.task_done()

    async def _deliver_batch(self, batch: list[Outgoing]) -> None:
        try:
            replies = await self._persist(partial(self._append, batch))
        except CheckpointError as error:
            replies = [error] * len(batch)
        for message, reply in zip(batch, replies, strict=True):
            if message.sent.cancelled():
                continue
            if isinstance(reply, BaseException):
                message.sent.set_exception(reply)
            else:
                message.sent.set_result(_metadata(message.tp, EntryId.parse(reply)))

    async def _append(self, batch: list[Outgoing]) -> list[Any]:
        return await self._redis.execute_all(
            ("XADD", PartitionKeys(*one.tp).log, "*", *chain(*one.fields.items())) for one in batch
        )

    async def _persist(self, attempt: Callable[[], Awaitable[T]]) -> T:
        deadline = monotonic() + self.app.conf.producer_request_timeout
        while True:
            try:
                done = await attempt()
            except AWAY as error:
                if isinstance(error, LogRefused) or monotonic() > deadline:
                    raise
                await asyncio.sleep(self._outage.wait(error))
            else:
                self._outage.over()
                return done


def declared_partitions(app: AppT, topic: str) -> int | None:
    """Return the partition count that the app itself declares for a topic, if it does."""
    if topic.startswith(app.conf.reply_to_prefix):
        return 1  # Faust declares it so, and an answer may come before the declaration
    channels = [*app.topics, *(agent.channel for agent in app.agents.values())]
    named = (one for one in channels if topic in getattr(one, "topics", ()))
    return next((one.partitions for one in named if one.partitions), None)


def _metadata(tp: TP, entry: EntryId) -> RecordMetadata:
    return RecordMetadata(
        tp.topic,
        tp.partition,
        tp,
        offset=(entry.ms << 20) + entry.seq,
        timestamp=entry.ms / 1000,
        timestamp_type=1,
    )
