"""The chain: a hash through all entries of a partition, which makes the archive tamper-evident.

Every entry, event or dead letter, has a leaf: the SHA-256 of its partition, its id and its fields
as they stand in the log, each written as a netstring (`5:event,`), so that no two different
entries are the same bytes. The entry's link is the SHA-256 of the link before it and of its leaf;
the first one follows on the SHA-256 of the log's id and the partition. Whoever may read the
archive can compute all that anew.

What this proves: a row that was edited, removed, inserted or moved without the links after it
being computed anew is found, if its place is not taken by a discarded dead letter. Of such a one
only the leaf is left, which proves that an entry was there, and neither what it was nor that it was
no event: `verify` lists them all.

What it cannot: who may write every row may compute the links anew from there on, and cut off the
end. Only a digest that somebody else keeps finds that, and that more entries of its time are
discarded than were then. And nothing proves anything of what never was archived.
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

from checkpoint.events.entry import FIELDS, DeadLetter, Entry
from checkpoint.events.entry_id import EntryId

_ITEM = b"%d:%b,"
_ENTRY = _ITEM + _ITEM + b"".join(_ITEM % (len(name), name) + _ITEM for name in FIELDS)


class Head(NamedTuple):
    """The end of a partition's chain: how many entries it has, and the last one's link."""

    number: int
    chain: bytes

    def over(self, leaf: bytes) -> "Head":
        """Return the head after one more entry."""
        return Head(self.number + 1, sha256(self.chain + leaf).digest())


def genesis(log: str, partition: int) -> Head:
    """Return what the first entry of a partition follows on."""
    return Head(0, sha256(_netstrings([log.encode(), b"%d" % partition])).digest())


def leaf(partition: int, name: EntryId, fields: Iterable[bytes]) -> bytes:
    """Hash an entry by its fields as they stand in the log."""
    return sha256(_netstrings([b"%d" % partition, b"%d-%d" % name, *fields])).digest()


def leaf_of(partition: int, one: Entry | DeadLetter) -> bytes:
    """Hash an entry: `leaf`, in a fraction of the time for an event."""
    if isinstance(one, DeadLetter):
        return leaf(partition, one.id, one.fields)
    place, name, version = b"%d" % partition, b"%d-%d" % one.id, b"%d" % one.version
    born = b"" if one.incarnation == one.id else b"%d-%d" % one.incarnation
    items = (
        *(len(place), place, len(name), name, len(one.encoded), one.encoded),
        *(len(version), version, len(born), born),
    )
    return sha256(_ENTRY % items).digest()


def _netstrings(items: Iterable[bytes]) -> bytes:
    return b"".join(_ITEM % (len(item), item) for item in items)
