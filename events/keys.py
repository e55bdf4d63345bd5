"""The name of every Redis key, and which partition a job lives in.

All keys of a partition share one hash tag, `{namespace:partition}`, so that the partition lives
whole on one node of a cluster and a script touches one slot.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple
from zlib import crc32

import msgspec

DEFAULT_NAMESPACE = "checkpoint"
DEFAULT_PARTITIONS = 8


TYPES = {
    "meta": "hash",
    "pipelines": "hash",
    "members": "zset",
    "log": "stream",
    "position": "string",
    "watermark": "stream",
    "restoring": "string",
    "head": "hash",
    "view.2": "list",
    "requests": "hash",
}
"""The Redis type of each kind of key."""


OF_LOG = {"meta", "pipelines", "members"}
OF_JOBS = {"head", "view.2", "requests"}


class ParsedKey(NamedTuple):
    """What a key of a log is."""

    kind: str
    """One of TYPES."""
    partition: int | None
    """None for a key of the log as a whole."""
    job: str
    """The job whose key it is, "" for none."""


def parse_key(namespace: str, key: str) -> ParsedKey | None:
    """Say what a key of a log is; None for what is no key of this log."""
    tag, _, rest = key.partition("}:")
    kind, has_name, name = rest.partition(":")
    if tag == f"{{{namespace}" and kind in OF_LOG and bool(has_name) == (kind == "members"):
        return ParsedKey(kind, None, "")
    ours, _, number = tag.rpartition(":")
    if ours == f"{{{namespace}" and number.isdecimal() and bool(name) == (kind in OF_JOBS):
        return ParsedKey(kind, int(number), name) if kind in TYPES else None
    return None


def partition_of(job: str, partitions: int) -> int:
    """Say which of `partitions` a job lives in: CRC-32 of its UTF-8 name, the same everywhere."""
    return crc32(job.encode()) % partitions


def topic_meta(namespace: str) -> str:
    """Hash: the log's `id`, its number of `partitions`, and its `state`."""
    return f"{{{namespace}}}:meta"


def pipelines(namespace: str) -> str:
    """Hash: a pipeline's name -> its declared stages, a JSON list."""
    return f"{{{namespace}}}:pipelines"


def read_pipelines(fields: Sequence[bytes]) -> dict[str, tuple[str, ...]]:
    """Read what HGETALL says of `pipelines`, without what is no pipeline."""
    found = {}
    for name, text in zip(fields[::2], fields[1::2], strict=True):
        with suppress(msgspec.MsgspecError, UnicodeDecodeError):
            found[name.decode()] = msgspec.json.decode(text, type=tuple[str, ...])
    return found


def members(namespace: str, group: str) -> str:
    """Sorted set: the live workers of a consumer group, scored by when they count as dead."""
    return f"{{{namespace}}}:members:{group}"


def own_keys(namespace: str, partitions: int) -> list[str]:
    """Name all keys of a log that belong to no job and no consumer group."""
    found = [topic_meta(namespace), pipelines(namespace)]
    for number in range(partitions):
        found += PartitionKeys(namespace, number).own
    return found


class JobKeys(NamedTuple):
    """The keys of one job, in the order in which scripts take them; all expire together."""

    head: str
    """Hash: incarnation, version, expiry, claim; and the index: version -> entry id and the key of
    the call, of the entries that the view may not have."""
    view: str
    """List: the job's latest state and its stages' data, written by the projector. (Its first form,
    a hash, is under another key: what is left of it expires unseen.)"""
    requests: str
    """Hash: the caller's idempotency key -> what it was answered."""


class PartitionKeys(NamedTuple):
    """The keys of one partition."""

    namespace: str
    partition: int

    @property
    def tag(self) -> str:
        """The hash tag that all keys of the partition begin with."""
        return f"{{{self.namespace}:{self.partition}}}"

    @property
    def meta(self) -> str:
        """Hash: the log's id, and a `fence`: since when (ms since 1970) Redis has lost nothing.

        There is no log in this partition without it.
        """
        return f"{self.tag}:meta"

    @property
    def log(self) -> str:
        """Stream: the partition's entries."""
        return f"{self.tag}:log"

    @property
    def position(self) -> str:
        """String: the last entry id that the projector applied to the views."""
        return f"{self.tag}:position"

    @property
    def watermark(self) -> str:
        """Stream whose last id is the entry id up to which the archive holds everything."""
        return f"{self.tag}:watermark"

    @property
    def restoring(self) -> str:
        """String: names the restore that has the partition closed; it expires if that one stops."""
        return f"{self.tag}:restoring"

    @property
    def own(self) -> list[str]:
        """All keys that are not a job's."""
        return [self.meta, self.log, self.position, self.watermark, self.restoring]

    def job(self, job: str) -> JobKeys:
        """Name the keys of one job of this partition."""
        tag = self.tag
        return JobKeys(f"{tag}:head:{job}", f"{tag}:view.2:{job}", f"{tag}:requests:{job}")
