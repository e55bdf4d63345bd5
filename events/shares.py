"""Shares: which partitions of its topics a worker reads, told by one heartbeat after another."""

from collections.abc import Callable, Iterable
from logging import Logger

from .async_lines import AsyncLines
from .members import Beat, Members, share
from .slices import Place
from .topics import Topics, check_count


class Shares:
    """One worker's part in sharing the partitions of its topics with the other live members."""

    def __init__(
        self,
        redis: AsyncLines,
        members: Members,
        declared: Callable[[str], int | None],
        default: int | None,
        logger: Logger,
    ) -> None:
        """Take part as one of `members`.

        `declared` says how many partitions the app wants a topic to have, if it says so; topics
        that are missing are created with that number or `default`, or waited for if that is None.
        """
        self.topics = Topics(redis)
        self.waiting = False
        """Whether the last heartbeat was not the time yet to take a share of every topic."""
        self._members = members
        self._declared = declared
        self._default = default
        self._logger = logger
        self._met: set[str] = set()
        self._missing: set[str] = set()

    async def beat(self, topics: Iterable[str]) -> frozenset[Place]:
        """Say that this worker is alive, and return what it is to read from now on.

        Raises LogUnavailable, and PartitionCountMismatch where the app declares another number
        than a topic has.
        """
        self.waiting = False
        return frozenset([place for topic in topics for place in await self._beat(topic)])

    async def leave(self) -> None:
        """Leave the partitions to the others. Raises LogUnavailable."""
        for topic in self._met:
            await self._members.leave(topic)

    async def _beat(self, topic: str) -> list[Place]:
        partitions = await self._partitions(topic)
        if partitions is None:
            return []
        beat = await self._members.beat(topic)
        if self._must_wait(topic, beat):
            return []
        owners = share(beat.live, partitions)
        return [(topic, one) for one in owners if owners[one] == self._members.member]

    def _must_wait(self, topic: str, beat: Beat) -> bool:
        # Who joins others takes nothing before they had a heartbeat to let go of it. Who was
        # counted as dead lets go of everything, as others may have gone on with it by now; or
        # Redis has lost its data, and there may be another topic of that name.
        back = beat.joined and topic in self._met
        self._met.add(topic)
        if back:
            self.topics.forget(topic)
        wait = back or (beat.joined and len(beat.live) > 1)
        self.waiting |= wait
        return wait

    async def _partitions(self, topic: str) -> int | None:
        declared, found = self._declared(topic), await self.topics.partitions(topic)
        if found is None and self._default is not None:
            await self.topics.declare(topic, declared or self._default)
            return self.topics.known(topic)
        if found is None and topic not in self._missing:
            self._missing.add(topic)
            self._logger.info("Waiting for topic %r to be created", topic)
        check_count(topic, found, declared)
        return found
