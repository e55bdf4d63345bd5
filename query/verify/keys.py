"""Keys: whether those of a log hold what they should, and which command mends one that does not."""

from collections.abc import Iterator, Sequence
from math import inf
from time import monotonic
from typing import Any, NamedTuple

from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.errors import ArchiveNotReady, LogNotReady
from checkpoint.events.freshness import Place, last_id
from checkpoint.events.keys import OF_JOBS, TYPES, PartitionKeys, members, own_keys, parse_key
from checkpoint.events.steps import AskArchive, Steps, command
from checkpoint.projector.view import is_position
from checkpoint.query.lag import CONSUMERS
from checkpoint.snapshotter.discrepancy import Discrepancy

RESTORE = "`checkpoint restore` mends it from the archive"
REBUILD = "`checkpoint rebuild` mends it"
BY_RESTORE = {"meta", "log", "restoring"}
"""The kinds of keys that only the archive can mend; a rebuild makes all others anew."""

KEYS_AT_ONCE = 1000


class Foreign(NamedTuple):
    """A key that has another Redis type than this log gives it."""

    key: str
    found: str

    def told(self, namespace: str) -> Discrepancy:
        """Name it, and say what mends it."""
        parsed = parse_key(namespace, self.key)
        assert parsed is not None  # noqa: S101 - only keys of this log are looked at
        what = f"{self.key} is a {self.found}, and should be a {TYPES[parsed.kind]}"
        cure = _cure(parsed.kind, parsed.job)
        return Discrepancy("key", what, parsed.partition or 0, job=parsed.job, cure=cure)


def _cure(kind: str, job: str) -> str:
    if kind in BY_RESTORE:
        return RESTORE
    return f"`checkpoint rebuild --job {job}` mends it" if job else REBUILD


def find_foreign(namespace: str, keys: Sequence[str]) -> Steps[list[Foreign]]:
    """Find those of some keys that have the type of something else."""
    found = []
    for key in keys:
        parsed = parse_key(namespace, key)
        kind = (yield from command("TYPE", key)).decode()
        if parsed and kind not in ("none", TYPES[parsed.kind]):
            found.append(Foreign(key, kind))
    return found


def check_foreign(namespace: str, keys: Sequence[str]) -> Steps[None]:
    """Raise LogNotReady where one of some keys has the type of something else."""
    for one in (yield from find_foreign(namespace, keys)):
        told = one.told(namespace)
        raise LogNotReady(f"{told.what}: {told.mended_by}")


def scan_foreign(namespace: str, until: float = inf) -> Steps[tuple[list[Foreign], bool]]:
    """Look at the keys of all jobs, until a time of the monotonic clock; say whether at all."""
    found: list[Foreign] = []
    for kind in ("set", "zset", "string", "stream", "list", "hash"):
        cursor = b"0"
        while True:
            if monotonic() > until:
                return found, False
            how = ("MATCH", f"{{{namespace}:*}}:*", "COUNT", KEYS_AT_ONCE, "TYPE", kind)
            cursor, names = yield from command("SCAN", cursor, *how)
            found += _of_another_type(namespace, names, kind)
            if cursor == b"0":
                break
    return sorted(set(found)), True


def _of_another_type(namespace: str, names: Sequence[bytes], kind: str) -> Iterator[Foreign]:
    for name in names:
        key = name.decode(errors="replace")
        parsed = parse_key(namespace, key)
        if parsed and parsed.kind in OF_JOBS and TYPES[parsed.kind] != kind:
            yield Foreign(key, kind)


def wrong_types(place: Place) -> Steps[list[Discrepancy]]:
    """Name the keys of a log that have the type of something else, but for those of jobs."""
    namespace = place.namespace
    names = [members(namespace, consumer) for consumer in CONSUMERS]
    names += own_keys(namespace, place.partitions)
    return [one.told(namespace) for one in (yield from find_foreign(namespace, names))]


def wrong_values(place: Place) -> Steps[list[Discrepancy]]:
    """Name the keys of a log that have the right type, and hold what cannot be."""
    found = []
    for number in range(place.partitions):
        keys = PartitionKeys(place.namespace, number)
        for key, what in (yield from unusable(place, number)).items():
            found.append(Discrepancy("key", f"{key} {what}", number, cure=REBUILD))
        if not (yield from meta_is_right(keys)):
            what = f"{keys.meta} does not name the log, or holds no times, so nothing is appended"
            found.append(Discrepancy("key", what, number, cure=RESTORE))
        has_log = yield from command("EXISTS", keys.log)
        if not has_log and (yield from command("EXISTS", keys.position)):
            what = f"{keys.log} is gone, of which the views have entries"
            found.append(Discrepancy("key", what, number, cure=RESTORE))
    return found


def meta_is_right(keys: PartitionKeys) -> Steps[bool]:
    """Say whether a partition's meta names a log, and holds times and ids where it holds any."""
    values = yield from _of_type("hash", keys.meta, "HMGET", "id", "fence", "archived", "dead")
    if values is None:
        return False
    name, fence, *ids = values
    return bool(
        name
        and (fence is None or fence.isdigit())
        and all(one is None or is_position(one) for one in ids)
    )


def unusable(place: Place, number: int) -> Steps[dict[str, str]]:
    """Say which of a partition's keys hold a position that cannot be, and why."""
    keys = PartitionKeys(place.namespace, number)
    found = {}
    rows = yield from _of_type("stream", keys.watermark, "XREVRANGE", "+", "-", "COUNT", 1)
    archived = (yield from _archived(number)) if rows and place.has_archive else None
    if archived and EntryId.parse(rows[0][0]) > archived:
        found[keys.watermark] = (
            f"says that the archive has entries up to {rows[0][0].decode()}, and it has them up to "
            f"{archived}"
        )
    position = yield from _of_type("string", keys.position, "GET")
    if position is not None and not is_position(position):
        found[keys.position] = f"holds {position[:40]!r}, and no entry id"
    elif position and (yield from command("TYPE", keys.log)) == b"stream":
        end = (yield from last_id(keys)) or ZERO
        if EntryId.parse(position) > end:
            at = position.decode()
            found[keys.position] = (
                f"says that the views have entries up to {at}, and the log ends at {end}"
            )
    return found


def _of_type(kind: str, key: str, name: str, *words: str | int) -> Steps[Any]:
    """Run a command on a key if that has the type; None if it has not."""
    if (yield from command("TYPE", key)) != kind.encode():
        return None
    return (yield from command(name, key, *words))


def _archived(number: int) -> Steps[EntryId | None]:
    """Return the archive's position; None where it is not ready, which others name."""
    try:
        position: EntryId = yield AskArchive(lambda archive: archive.position(number))
    except ArchiveNotReady:
        return None
    return position
