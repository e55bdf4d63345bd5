"""The chain: a hash through all entries of a partition, which makes the archive tamper-evident.

Every entry, event or dead letter, has a leaf: the SHA-256 of a line with its partition, its id and
how long each of its fields is, and of the fields as they stand in the log; so no two different
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

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from checkpoint.events.entry import DeadLetter, Entry
from checkpoint.events.entry_id import EntryId

_EVENT = b"%d %d-%d 5 %d 7 %d 11 %d\nevent%bversion%bincarnation%b"


class Head(NamedTuple):
    """The end of a partition's chain: how many entries it has, and the last one's link."""

    number: int
    chain: bytes

    def over(self, leaf: bytes) -> "Head":
        """Return the head after one more entry."""
        return Head(self.number + 1, sha256(self.chain + leaf).digest())


def genesis(log: str, partition: int) -> Head:
    """Return what the first entry of a partition follows on."""
    return Head(0, sha256(b"%d %b" % (partition, log.encode())).digest())


def leaf(partition: int, name: EntryId, fields: Sequence[bytes]) -> bytes:
    """Hash an entry by its fields as they stand in the log."""
    lengths = b" ".join(b"%d" % len(field) for field in fields)
    return sha256(b"%d %d-%d %b\n%b" % (partition, *name, lengths, b"".join(fields))).digest()


def leaf_of(partition: int, one: Entry | DeadLetter) -> bytes:
    """Hash an entry: `leaf`, in a fraction of the time for an event."""
    if isinstance(one, DeadLetter):
        return leaf(partition, one.id, one.fields)
    name, incarnation, number, _, event = one
    version = b"%d" % number
    born = b"" if incarnation == name else b"%d-%d" % incarnation
    lengths = len(event), len(version), len(born)
    return sha256(_EVENT % (partition, *name, *lengths, event, version, born)).digest()
