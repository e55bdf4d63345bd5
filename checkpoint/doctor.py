"""The doctor: looks at everything that a set-up can have wrong, and says what to do about it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from time import monotonic
from typing import NamedTuple, TypedDict

from checkpoint.events.creation import Log, find_log
from checkpoint.events.entry_id import utc
from checkpoint.events.errors import (
    ArchiveNotReady,
    ArchiveUnavailable,
    CheckpointError,
    LogNotReady,
    LogUnavailable,
    UnsupportedServer,
)
from checkpoint.events.freshness import Place, find_behind, older, redis_ms
from checkpoint.events.keys import topic_meta
from checkpoint.events.server import problems, read_info, warnings
from checkpoint.events.settings import Settings
from checkpoint.events.steps import AskArchive, Steps
from checkpoint.query.verify.keys import check_foreign, scan_foreign, wrong_types, wrong_values
from checkpoint.snapshotter import dead_letters, pipelines, restorations, schema
from checkpoint.snapshotter.archive import Archive
from checkpoint.snapshotter.restorations import Restoration
from checkpoint.snapshotter.roles import LackingRight, lacking_rights

from .health import live_members
from .lookout import OLD_SECONDS, describe_age
from .readings import Reading, read_redis

FARTHEST_MS = 5000
"""How far the clocks of Redis and Postgres may be apart: an expired job is told by either."""

TOGETHER_MS = 60_000
"""What went on within so long belongs to one restart: its partitions go on one after another."""

SCAN_SECONDS = 2.0
"""How long the keys of jobs are looked at."""

SHOWN = 3
"""How many of the keys that are wrong are named."""


class Restart(TypedDict):
    """A time that Redis was restarted, or had lost entries."""

    time: datetime
    """When it went on, by its own clock."""
    partitions: list[int]
    jobs_restored: int
    """How many jobs were written back."""


class Finding(NamedTuple):
    """One thing that was looked at."""

    subject: str
    is_well: bool
    detail: str
    restarts: Sequence[Restart] = ()
    """Those on record, oldest first, if they are what was looked at."""


Look = Callable[[], Steps[str | Finding]]


def examine(settings: Settings) -> Steps[list[Finding]]:
    """Look at servers, log, keys, archive, clocks and workers, each by itself.

    What needs a server that is away is left out. Nothing is created or changed.
    """
    redis, error = yield from _looked_at("Redis", _redis)
    has_redis = not isinstance(error, LogUnavailable)
    archive = Finding("archive", is_well=True, detail="none is configured: POSTGRES_URL names one")
    has_archive = settings.postgres_url is not None
    if has_archive:
        archive, error = yield from _looked_at("archive", lambda: _archive(settings))
        has_archive = error is None or isinstance(error, ArchiveNotReady)
    findings = [redis, archive]
    for subject, look in _looks(settings, has_redis=has_redis, has_archive=has_archive):
        findings.append((yield from _looked_at(subject, look))[0])
    return findings


def _looks(settings: Settings, *, has_redis: bool, has_archive: bool) -> Iterator[tuple[str, Look]]:
    """Say what else can be looked at, and how."""
    if has_archive:
        yield "roles", _roles
        yield "restarts", _restarts
    if has_redis and has_archive:
        yield "clocks", check_clocks
    if has_redis:
        yield "log", lambda: _log(settings)
        yield "keys", lambda: _keys(settings, has_archive=has_archive)
    if has_redis and has_archive:
        yield "log and archive", lambda: check_same_log(settings.namespace)
    if has_redis:
        yield "lag", lambda: _lag(settings)
        yield "projector", partial(_worker, settings, "projector")
        yield "snapshotter", partial(_worker, settings, "snapshotter")


def _looked_at(subject: str, look: Look) -> Steps[tuple[Finding, CheckpointError | None]]:
    try:
        found = yield from look()
    except CheckpointError as error:
        return Finding(subject, is_well=False, detail=str(error)), error
    if isinstance(found, Finding):
        return found, None
    return Finding(subject, is_well=True, detail=found), None


def check_clocks() -> Steps[str]:
    """Compare the clocks of Redis and Postgres; UnsupportedServer if they are far apart."""
    by_redis = yield from redis_ms()
    postgres_ms: int = yield AskArchive(lambda archive: archive.now_ms())
    apart = abs(by_redis - postgres_ms)
    if apart > FARTHEST_MS:
        raise UnsupportedServer(
            f"The clocks of Redis ({utc(by_redis):%F %T}) and Postgres ({utc(postgres_ms):%F %T}) "
            f"are {apart / 1000:.1f} s apart: set both by NTP"
        )
    return f"Redis and Postgres are {apart} ms apart"


def check_same_log(namespace: str) -> Steps[str]:
    """Compare the log of Redis with the archive's; LogNotReady, ArchiveNotReady where they differ.

    Redis may have lost it, or come back with less of it than the archive has; and Postgres, too.
    """
    log = yield from find_log(namespace)
    archived: Log | None = yield AskArchive(lambda archive: archive.find_log())
    if log is None and archived is None:
        return "neither has one yet: the first save or worker creates it"
    if log is None:
        raise LogNotReady(
            f"Redis has lost the log {namespace!r}, and the archive has it: `checkpoint restore`, "
            "or a running snapshotter, restores it"
        )
    if archived is None:
        # says what there is to do
        yield AskArchive(lambda archive: archive.position(0))
    elif archived.id != log.id:
        raise LogNotReady(
            f"Redis and the archive both have a log {namespace!r}, and they belong to "
            "different logs: see that REDIS_URL and POSTGRES_URL belong together"
        )
    if behind := (yield from find_behind(Place(namespace, log.partitions, has_archive=True))):
        raise LogNotReady(older(behind))
    return "Redis has all that the archive has"


def _redis() -> Steps[str]:
    info = yield from read_info()
    if wrong := [*problems(info), *warnings(info)]:
        raise UnsupportedServer("; ".join(wrong))
    return f"version {info['redis_version']}, a primary, appendonly, noeviction"


def _archive(settings: Settings) -> Steps[str]:
    try:
        version: int = yield AskArchive(lambda archive: archive.schema_version())
    except ArchiveNotReady:
        if (yield from _is_new(settings)):
            return "there is none yet: the first save or worker creates it"
        raise
    yield AskArchive(lambda archive: archive.transact(schema.check_encoding))
    letters = yield AskArchive(dead_letters.find)
    yield AskArchive(pipelines.kept)
    return f"schema version {version}, {_letters(len(letters))}"


def _is_new(settings: Settings) -> Steps[bool]:
    """Say whether neither server has anything of this log."""
    try:
        log = yield from find_log(settings.namespace)
    except CheckpointError:
        return False
    return log is None and not (yield AskArchive(_has_schema))


def _letters(count: int) -> str:
    if not count:
        return "no dead letters"
    return f"{count} dead letter{'' if count == 1 else 's'}: see `checkpoint deadletters list`"


def _has_schema(archive: Archive) -> bool:
    with archive.connected() as connection:
        return schema.exists(connection)


def _lacking_rights(archive: Archive) -> list[LackingRight]:
    with archive.connected() as connection:
        return lacking_rights(connection)


def _roles() -> Steps[str]:
    lacking: list[LackingRight] = yield AskArchive(_lacking_rights)
    ours = [one for one in lacking if one.is_ours]
    if ours:
        raise ArchiveUnavailable(
            f"{ours[0].role} lacks {len(ours)} of its rights in this archive, as {ours[0].right}: "
            "`checkpoint migrate`, as the schema's owner, gives them; until then workers do "
            "without the role"
        )
    return "they have their rights, as far as there are any"


def _restarts() -> Steps[Finding]:
    """Count the restarts and losses of Redis that are on record, each with all its partitions."""
    subject = "restarts"
    restored: list[Restoration] = []
    with suppress(ArchiveNotReady):  # the archive's own finding says so
        restored = yield AskArchive(restorations.on_record)
    found = restarts(restored)
    if not found:
        return Finding(subject, is_well=True, detail="none of Redis is on record")
    times = "once" if len(found) == 1 else f"{len(found)} times"
    last = f"{found[-1]['time']:%F %T} UTC"
    detail = f"Redis was restarted or lost entries {times}, the last time at {last}"
    return Finding(subject, is_well=True, detail=detail, restarts=found)


def restarts(restored: Sequence[Restoration]) -> list[Restart]:
    """Group what is on record of each partition, oldest first, by what happened to all. Pure."""
    found: list[Restart] = []
    last: Restoration | None = None
    for one in sorted(restored, key=lambda one: (one.resumed_ms, one.partition)):
        is_another = last is None or one.resumed_ms - last.resumed_ms > TOGETHER_MS
        if is_another or one.partition in found[-1]["partitions"]:
            found.append(Restart(time=utc(one.resumed_ms), partitions=[], jobs_restored=0))
        found[-1]["partitions"].append(one.partition)
        found[-1]["jobs_restored"] += one.jobs
        last = one
    return found


def _log(settings: Settings) -> Steps[str]:
    log = yield from find_log(settings.namespace)
    if log is None:
        return (
            f"there is no log {settings.namespace!r} in Redis: the first save or worker creates it"
        )
    return f"{settings.namespace!r}, {log.partitions} partitions"


def _keys(settings: Settings, *, has_archive: bool) -> Steps[str]:
    yield from check_foreign(settings.namespace, [topic_meta(settings.namespace)])
    log = yield from find_log(settings.namespace)
    if log is None:
        return "there are none"
    place = Place(settings.namespace, log.partitions, has_archive)
    wrong = yield from wrong_types(place)
    wrong += yield from wrong_values(place)
    foreign, is_all = yield from scan_foreign(settings.namespace, monotonic() + SCAN_SECONDS)
    wrong += (one.told(settings.namespace) for one in foreign)
    if wrong:
        told = [f"{one.what}: {one.mended_by}" for one in wrong[:SHOWN]]
        told += [f"{len(wrong) - SHOWN} more: see `checkpoint verify`"] if wrong[SHOWN:] else []
        raise LogNotReady("; ".join(told))
    some = "" if is_all else f"; of those of jobs, those that {SCAN_SECONDS:.0f} s were enough for"
    return f"they hold what they should{some}"


def _lag(settings: Settings) -> Steps[str]:
    reading = yield from read_redis(settings.namespace)
    described = f"projector {_behind(reading, 'projector')}"
    if settings.postgres_url is None:
        return described
    if reading.oldest_unarchived > OLD_SECONDS:
        raise UnsupportedServer(describe_age(reading.oldest_unarchived))
    return f"{described}, snapshotter {_behind(reading, 'snapshotter')}"


def _behind(reading: Reading, consumer: str) -> str:
    lags = [lag for lag in reading.lags if lag.consumer == consumer]
    entries = sum(lag.entries for lag in lags)
    oldest = max((lag.seconds for lag in lags), default=0.0)
    return f"lacks {entries:,} entries, the oldest {oldest:.1f} s old" if entries else "lacks none"


def _worker(settings: Settings, kind: str) -> Steps[str]:
    live = yield from live_members(settings.namespace, kind)
    if not live:
        raise UnsupportedServer(f"none runs: start one with `checkpoint worker {kind}`")
    return f"{len(live)} at work"
