"""Members: the live workers of a consumer group, and how they share the partitions."""

from collections.abc import Iterable
from hashlib import blake2b
from math import ceil
from typing import NamedTuple

from .async_lines import AsyncLines
from .keys import members as members_key
from .script import Call, Script

BEAT = Script.load("checkpoint.events", "beat")


class Beat(NamedTuple):
    """What one heartbeat told."""

    joined: bool
    """Nobody counted this member as alive before the beat: it is new, or was silent too long."""
    live: frozenset[str]
    """All live members of the group, this one included."""


class Members:
    """The heartbeat set of a group, one per topic, as one member of it sees it."""

    def __init__(self, redis: AsyncLines, group: str, member: str, lapse: float) -> None:
        """Speak for `member`, who counts as dead after `lapse` seconds without a heartbeat."""
        self._redis = redis
        self._group = group
        self.member = member
        self._lapse_ms = round(lapse * 1000)

    async def beat(self, topic: str) -> Beat:
        """Say that this member is alive, and hear who else is. Raises LogUnavailable."""
        key = members_key(topic, self._group)
        call = Call(BEAT, [key], [self.member, self._lapse_ms])
        joined, *live = await self._redis.run_loaded(call)
        return Beat(bool(joined), frozenset(member.decode() for member in live))

    async def leave(self, topic: str) -> None:
        """Count as dead from now on. Raises LogUnavailable."""
        await self._redis.execute("ZREM", members_key(topic, self._group), self.member)


def share(members: Iterable[str], partitions: int) -> dict[int, str]:
    """Say which member reads which partition: the same for all who know the same members.

    Rendezvous hashing: few partitions move when a member comes or goes. Nobody gets more than
    an even share, rounded up, so that a second worker always takes its half of the load.
    """
    room = dict.fromkeys(sorted(members), 0)
    room = dict.fromkeys(room, ceil(partitions / len(room)) if room else 0)
    owners = {}
    for partition in range(partitions) if room else ():
        owner = max((one for one in room if room[one]), key=lambda one: _weight(one, partition))
        room[owner] -= 1
        owners[partition] = owner
    return owners


def _weight(member: str, partition: int) -> bytes:
    return blake2b(f"{partition}:{member}".encode(), digest_size=8).digest()
