"""The consumer: reads the logs of a Faust app's topics, together with the other workers."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from functools import partial
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from faust.transport import base
from faust.types import TP, ConsumerMessage, Message
from mode import Service, get_logger

from .async_lines import AsyncLines
from .connection import SOCKET_SECONDS
from .errors import InvalidSettings
from .members import Members
from .message import decode
from .offsets import Offsets
from .outage import AWAY, Outage
from .positions import Group
from .producer import declared_partitions
from .shares import Shares
from .slices import Place, Reader, Slice, cut

if TYPE_CHECKING:
    from .transport import Transport

ENTRIES_AT_ONCE = 512
"""Entries of a partition that are read in one round trip, in whole slices, unless the app's
`broker_max_poll_records` says otherwise."""

LAPSE = 3
"""Heartbeats that a member may miss before it counts as dead."""


class Consumer(base.Consumer):
    """Hands out the entries of the partitions that are this worker's share.

    An offset is the number of a slice in this consumer's life. Committing one publishes the id
    of its last entry as the group's position.
    """

    logger = get_logger(__name__)
    transport: "Transport"

    def __init__(self, transport: "Transport", *args: Any, **kwargs: Any) -> None:
        """Read from the server that `transport` names, as a new member of the app's group."""
        super().__init__(transport, *args, **kwargs)
        conf, options = self.app.conf, transport.options
        self._redis = AsyncLines(options.redis_url, SOCKET_SECONDS)
        member = f"{socket.gethostname()}:{os.getpid()}:{token_hex(4)}"
        self._shares = Shares(
            self._redis,
            Members(self._redis, conf.id, member, LAPSE * options.heartbeat),
            partial(declared_partitions, self.app),
            conf.topic_partitions if conf.topic_allow_declare else None,
            self.logger,
        )
        start = "$" if conf.consumer_auto_offset_reset == "latest" else "0-0"
        self._offsets: Offsets[TP] = Offsets(Group(self._redis, conf.id, start))
        self._group_outage = Outage(self.logger)
        self._reading_outage = Outage(self.logger)
        at_once = conf.broker_max_poll_records or ENTRIES_AT_ONCE
        self._size = options.slice or 1
        self._reader = Reader(self._redis, self._size * max(1, at_once // self._size))
        self._assignment: frozenset[TP] | None = None
        self._wanted: frozenset[TP] | None = None
        self._subscription: frozenset[str] = frozenset()
        self._subscribed = asyncio.Event()
        self._wanted_changed = asyncio.Event()
        self._beating = asyncio.Lock()

    async def on_start(self) -> None:
        """Refuse an app that needs what this transport does not have."""
        await super().on_start()
        if self.app.tables:
            raise InvalidSettings(
                f"The app has tables ({', '.join(self.app.tables)}): their changelogs need Kafka. "
                "Keep the state in Redis or Postgres instead"
            )

    async def on_stop(self) -> None:
        """Commit what is done and leave the group."""
        await super().on_stop()
        async with self._beating:
            with suppress(*AWAY):
                await self._offsets.publish()
                await self._shares.leave()

    async def wait_empty(self) -> None:
        """Wait for the streams to finish what they began; a client has begun nothing."""
        # Faust delivers a client's replies twice and takes them up once: it would wait for ever.
        if not self.app.client_only:
            await super().wait_empty()

    async def on_shutdown(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    # Which partitions this worker reads

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Take part in sharing the partitions of `topics`.

        It returns before any partition is assigned: Faust assigns none until it has returned.
        """
        self._subscription = frozenset(topics)
        if self.app.client_only:
            await self._read_all()
        self._subscribed.set()

    def assignment(self) -> set[TP]:
        """Return the partitions that this worker reads."""
        return set(self._assignment or ())

    async def _read_all(self) -> None:
        # A client reads the replies to itself: there is nobody to share them with.
        counts = {
            topic: await self._shares.topics.partitions(topic) for topic in self._subscription
        }
        places = [TP(topic, one) for topic, count in counts.items() for one in range(count or 0)]
        self._assignment = frozenset(places)
        self._offsets.read_all(places)
        self._set_active_tps(set(places))

    @Service.task
    async def _stay_a_member(self) -> None:
        await self._subscribed.wait()
        while not (self.should_stop or self.app.client_only):
            pause = self.transport.options.heartbeat
            try:
                await self._beat()
            except AWAY as error:
                pause = self._group_outage.wait(error)
            else:
                self._group_outage.over()
            await self.sleep(pause)

    async def _beat(self) -> None:
        async with self._beating:
            if self.should_stop:
                return
            places = await self._shares.beat(self._subscription)
            try:
                await self._offsets.publish()
            finally:
                self._want(places)

    def _want(self, places: Iterable[Place]) -> None:
        """Let the assignment become what the heartbeat said."""
        if self._assignment is None and self._shares.waiting:
            return
        self._wanted = frozenset(TP(*place) for place in places)
        if self._wanted != self._assignment:
            self._wanted_changed.set()

    @Service.task
    async def _keep_assignment(self) -> None:
        while not self.should_stop:
            await self._wanted_changed.wait()
            self._wanted_changed.clear()
            if self._wanted is not None and self._wanted != self._assignment:
                await self._rebalance(self._wanted)

    async def _rebalance(self, assigned: frozenset[TP]) -> None:
        self.app.on_rebalance_start()
        await self.on_partitions_revoked(self.assignment() - assigned)
        self._assignment = assigned
        self._offsets.keep(assigned)
        self.app.consumer_generation_id += 1
        await self.on_partitions_assigned(set(assigned), self.app.consumer_generation_id)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Stop the streams, and give up `revoked` with all that they were done with committed."""
        # Faust's own forgets what was acknowledged before it commits; that work would be repeated.
        self._get_active_partitions().difference_update(revoked)
        self._paused_partitions.difference_update(revoked)
        await self._on_partitions_revoked(revoked)
        await self.commit()
        self._buffered_partitions.clear()
        for tp in revoked:
            self._acked.pop(tp, None)
            self._acked_index.pop(tp, None)
            self._read_offset.pop(tp, None)
            self._committed_offset.pop(tp, None)

    # Reading

    async def getmany(
        self,
        timeout: float,  # noqa: ASYNC109 - Faust's signature
    ) -> AsyncIterator[tuple[TP, Message]]:
        """Read what is new, and hand it out while this worker still reads on from there."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow.wait())
        records = await self._getmany(self._get_active_partitions(), timeout)
        for tp, one in self.scheduler.iterate(records):
            current = self._offsets.continues(tp, one)
            if current and self.flow_active and tp not in self._paused_partitions:
                yield tp, self._to_message(tp, one)

    async def _getmany(
        self,
        active_partitions: set[TP] | None,
        timeout: float,  # noqa: ASYNC109 - Faust's signature
    ) -> Mapping[TP, list[Slice]]:
        try:
            active, known = active_partitions or (), self.transport.positions
            positions = await self._offsets.positions(active, known)
            found = await self._reader.read(positions, timeout)
        except AWAY as error:
            await self.sleep(self._reading_outage.wait(error))
            return {}
        self._reading_outage.over()
        return {
            tp: list(cut(tp.partition, positions[tp], entries, self._size))
            for tp, entries in found.items()
        }

    def _to_message(self, tp: TP, record: Slice) -> ConsumerMessage:
        message: tuple[Any, Any, Any] = (None, record, None)
        if self.transport.options.slice is None:
            message = decode(record.entries[0][1])
        key, value, headers = message
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            offset=self._offsets.take(tp, record),
            timestamp=record.last.ms / 1000,
            timestamp_type=1,
            headers=headers,
            key=key,
            value=value,
            checksum=None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    def stop_flow(self) -> None:
        """Hand out nothing more until `resume_flow`."""
        super().stop_flow()
        self._reader.wake()

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        """Read these partitions again, at once."""
        super().resume_partitions(tps)
        self._reader.wake()

    def on_buffer_drop(self, tp: TP) -> None:
        """Read a partition again whose messages have been taken up."""
        super().on_buffer_drop(tp)
        self._reader.wake()

    # Positions

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Start over from the positions, which are looked up at the next read."""
        self._reader.wake()
        return self._offsets.reset_all()

    def reread(self, tp: TP) -> None:
        """Look up a partition's position again and go on from there.

        For an app that keeps positions itself and finds that one is not where it was: then
        slices that were handed out already do not continue it.
        """
        if tp in self._offsets:
            self._committed_offset[tp] = self._offsets.reset(tp)
            self._acked_index[tp] = set()
            self._reader.wake()

    def _new_offset(self, tp: TP) -> int | None:
        done, self._acked_index[tp] = self._acked_index[tp], set()
        self._acked[tp] = []
        return self._offsets.finish(tp, done)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:  # noqa: ARG002 - cursors know more
        try:
            await self._offsets.publish()
        except AWAY as error:
            # The next heartbeat that gets through publishes it.
            self._group_outage.wait(error)
            return False
        return True

    async def position(self, tp: TP) -> int | None:
        """Return the number of the last slice handed out of a partition."""
        return self._offsets.latest(tp)

    def highwater(self, tp: TP) -> int:
        """Return the number of the last slice read: there are no numbers before reading."""
        return self._offsets.latest(tp) or 0

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        """Return `highwater` of each partition."""
        return {tp: self.highwater(tp) for tp in partitions}

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        """Return 1 for each partition: numbers begin anew in every consumer's life."""
        return dict.fromkeys(partitions, 1)

    async def _seek(self, partition: TP, offset: int) -> None:
        raise InvalidSettings(
            f"Cannot seek {partition.topic}:{partition.partition} to {offset}: slices are numbered "
            "as they are read. Set the group's position with XGROUP SETID while no worker runs"
        )

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Raise InvalidSettings: slices are numbered as they are read."""
        for tp, offset in partitions.items():
            await self._seek(tp, offset)

    # Topics

    async def create_topic(self, topic: str, partitions: int, *args: Any, **kwargs: Any) -> None:
        """Create a topic, as the producer does. Raises PartitionCountMismatch."""
        await self.app.producer.create_topic(topic, partitions, *args, **kwargs)

    def topic_partitions(self, topic: str) -> int | None:
        """Return how many partitions a topic has, None while that is not known."""
        return self._shares.topics.known(topic)

    def key_partition(
        self, topic: str, key: bytes | None, partition: int | None = None
    ) -> int | None:
        """Say which partition a key belongs to, None for no key."""
        if partition is not None or key is None:
            return partition
        return int(self.app.producer.key_partition(topic, key).partition)

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)

    def verify_recovery_event_path(self, now: float, tp: TP) -> None:
        """There is no recovery, and nothing to verify."""
