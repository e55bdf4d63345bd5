"""Topics: how many partitions each has, as Redis stores it."""

from .async_lines import AsyncLines
from .errors import InvalidName, LogNotReady, PartitionCountMismatch
from .keys import topic_meta


class Topics:
    """The partition counts of topics, each asked for once: they are fixed at creation."""

    def __init__(self, redis: AsyncLines) -> None:
        """Ask over `redis`."""
        self._redis = redis
        self._counts: dict[str, int] = {}

    def known(self, topic: str) -> int | None:
        """Return what is known of a topic without asking."""
        return self._counts.get(topic)

    def forget(self, topic: str) -> None:
        """Ask again next time: Redis may have lost its data."""
        self._counts.pop(topic, None)

    async def partitions(self, topic: str) -> int | None:
        """Return how many partitions a topic has, None if it does not exist yet.

        Raises LogUnavailable, and InvalidName for a topic that cannot exist.
        """
        if (known := self._counts.get(topic)) is not None:
            return known
        stored = await self._redis.execute("HGET", _meta(topic), "partitions")
        if stored is not None:
            if not stored.isdigit():
                raise LogNotReady(
                    f"The key {_meta(topic)} says that there are {stored!r} partitions: "
                    "`checkpoint restore` mends it from the archive"
                )
            self._counts[topic] = int(stored)
        return self._counts.get(topic)

    async def create(self, topic: str, partitions: int) -> int:
        """Create a topic if it does not exist yet; return how many partitions it has.

        Raises LogUnavailable and InvalidName.
        """
        await self._redis.execute("HSETNX", _meta(topic), "partitions", partitions)
        return await self.partitions(topic) or partitions

    async def declare(self, topic: str, partitions: int) -> None:
        """Create a topic; one that exists must have as many partitions.

        Raises PartitionCountMismatch, LogUnavailable and InvalidName.
        """
        check_count(topic, await self.create(topic, partitions), partitions)


def check_count(topic: str, found: int | None, declared: int | None) -> None:
    """Raise PartitionCountMismatch if a topic has another number of partitions than declared."""
    if None not in (found, declared) and found != declared:
        raise PartitionCountMismatch(
            f"Topic {topic!r} was created with {found} partitions, not {declared}: the number is "
            "fixed. Declare it with that number, or use another topic"
        )


def _meta(topic: str) -> str:
    if not topic or set("{}") & set(topic):
        raise InvalidName(f"A topic's name is not empty and has no braces: {topic!r}")
    return topic_meta(topic)
