"""Digests: what somebody else keeps of an archive, to check it by later.

A digest names the last entry of every partition's chain, and its link, which is a hash over all
entries up to it. Whoever changes a row of that time, and all links after it too, cannot make it
come to the same. Of a discarded dead letter only the leaf is left, and somebody may leave as much
of an event; so the digest counts the discarded ones too. Keep it where the archive's administrators
cannot write.
"""

from collections import Counter

from msgspec import Struct
from psycopg import Connection

from checkpoint.events.entry_id import EntryId
from checkpoint.events.errors import LogNotReady

from .archive import Archive
from .dead_letters import discarded
from .schema import query
from .storing import Standing, standings


class PartitionDigest(Struct, frozen=True, forbid_unknown_fields=True):
    """One partition: up to the entry `position` it has so many rows, the last of which is `chain`.

    Rows are events and dead letters, so many of which are discarded; the link is in hexadecimal.
    """

    partition: int
    position: str
    rows: int
    discarded: int
    chain: str

    @property
    def id(self) -> EntryId:
        """The entry that the digest goes up to."""
        return EntryId.parse(self.position)


class Digest(Struct, frozen=True, forbid_unknown_fields=True):
    """The archive of a log at one instant."""

    log: str
    partitions: list[PartitionDigest]


def standing(archive: Archive) -> dict[int, Standing]:
    """Say how far each partition goes, and its chain."""

    def read(connection: Connection) -> dict[int, Standing]:
        return standings(connection.execute(query("read_standings")))

    return archive.transact(read)


def take(archive: Archive) -> Digest:
    """Take the digest of an archive; LogNotReady where it knows no log."""
    log = archive.find_log()
    if log is None:
        raise LogNotReady("The archive knows no log yet: its first save or worker creates it")
    return Digest(log.id, archive.transact(_partitions))


def _partitions(connection: Connection) -> list[PartitionDigest]:
    connection.execute(query("at_one_instant"))
    known = standings(connection.execute(query("read_standings")))
    gone = Counter(
        number for number, name in discarded(connection) if name <= known[number].chained
    )
    return [
        PartitionDigest(
            partition=number,
            position=str(one.chained),
            rows=one.head.number,
            discarded=gone[number],
            chain=one.head.chain.hex(),
        )
        for number, one in known.items()
    ]
