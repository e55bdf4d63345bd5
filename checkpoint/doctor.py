"""The doctor: looks at everything that a set-up can have wrong, and says what to do about it."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple, TypedDict, TypeVar

from checkpoint.events.creation import Log, find_log
from checkpoint.events.entry_id import utc
from checkpoint.events.errors import CheckpointError, LogNotReady, UnsupportedServer
from checkpoint.events.freshness import Place, find_behind, older, redis_ms
from checkpoint.events.server import problems, read_info, warnings
from checkpoint.events.settings import Settings
from checkpoint.events.steps import AskArchive, Steps
from checkpoint.snapshotter import dead_letters, restorations
from checkpoint.snapshotter.restorations import Restoration

from .health import live_members
from .lookout import OLD_SECONDS, describe_age
from .readings import Reading, read_redis

FARTHEST_MS = 5000
"""How far the clocks of Redis and Postgres may be apart: an expired job is told by either."""

TOGETHER_MS = 60_000
"""What went on within so long belongs to one restart: its partitions go on one after another."""

T = TypeVar("T")


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


def examine(settings: Settings) -> Steps[list[Finding]]:
    """Look at Redis, the log, the archive, the clocks and the workers, in that order."""
    findings = [(yield from _looked_at("Redis", _redis))]
    if not findings[0].is_well:
        return findings
    if settings.postgres_url is None:
        detail = "none is configured: POSTGRES_URL names one"
        findings.append(Finding("archive", is_well=True, detail=detail))
    else:
        findings.append((yield from _looked_at("archive", _archive)))
        findings.append((yield from _restarts()))
        findings.append((yield from _looked_at("clocks", check_clocks)))
    findings.append((yield from _looked_at("log", lambda: _log(settings))))
    findings.append((yield from _looked_at("lag", lambda: _lag(settings))))
    findings.append((yield from _looked_at("projector", partial(_worker, settings, "projector"))))
    findings.append(
        (yield from _looked_at("snapshotter", partial(_worker, settings, "snapshotter")))
    )
    return findings


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


def _looked_at(subject: str, look: Callable[[], Steps[str]]) -> Steps[Finding]:
    try:
        return Finding(subject, is_well=True, detail=(yield from look()))
    except CheckpointError as error:
        return Finding(subject, is_well=False, detail=str(error))


def _redis() -> Steps[str]:
    info = yield from read_info()
    if wrong := [*problems(info), *warnings(info)]:
        raise UnsupportedServer("; ".join(wrong))
    return f"version {info['redis_version']}, a primary, appendonly, noeviction"


def _archive() -> Steps[str]:
    version: int = yield AskArchive(lambda archive: archive.schema_version())
    letters = yield AskArchive(dead_letters.find)
    return f"schema version {version}, {_letters(len(letters))}"


def _letters(count: int) -> str:
    if not count:
        return "no dead letters"
    return f"{count} dead letter{'' if count == 1 else 's'}: see `checkpoint deadletters list`"


def _restarts() -> Steps[Finding]:
    """Count the restarts and losses of Redis that are on record, each with all its partitions."""
    subject = "restarts"
    try:
        restored: list[Restoration] = yield AskArchive(restorations.on_record)
    except CheckpointError as error:
        return Finding(subject, is_well=False, detail=str(error))
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
        return f"there is no log {settings.namespace!r} yet: the first save or worker creates it"
    described = f"{settings.namespace!r}, {log.partitions} partitions"
    if settings.postgres_url is None:
        return f"{described}, not compared with an archive"
    archived: Log | None = yield AskArchive(lambda archive: archive.find_log())
    if archived and archived.id != log.id:
        raise LogNotReady(
            f"Redis and the archive both have a log {settings.namespace!r}, and they belong to "
            "different logs: see that REDIS_URL and POSTGRES_URL belong together"
        )
    place = Place(settings.namespace, log.partitions, has_archive=True)
    if behind := (yield from find_behind(place)):
        raise LogNotReady(older(behind))
    return f"{described}, whole"


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
