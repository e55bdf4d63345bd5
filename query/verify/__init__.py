"""Verify: compares view, log and archive event by event, and names each difference.

All of it may be running meanwhile: what is compared ends at the positions that are read first, and
what seems to differ is looked at a second time. What the archive or the views do not have yet is
lag and no difference. Memory stays flat, whatever the log has.

What it proves: that the archive's rows are those that the snapshotters stored, in their order, as
far as nobody computed the hashes anew; up to a digest that was kept, that they are the rows of
that time, and no more of them discarded. It cannot prove anything of what never was archived, nor
what a discarded dead letter was: the report lists those (see snapshotter/chain.py).
"""

from checkpoint.events.creation import Log, find_log
from checkpoint.events.errors import ArchiveNotConfigured, LogNotReady, LogUnavailable
from checkpoint.events.freshness import Place, find_behind, older, on_fresh_log
from checkpoint.events.keys import topic_meta
from checkpoint.events.steps import AskArchive, Steps
from checkpoint.projector.view import parse_job, read_job
from checkpoint.snapshotter import restorations
from checkpoint.snapshotter.digest import Digest, PartitionDigest
from checkpoint.snapshotter.discrepancy import Discrepancy
from checkpoint.snapshotter.restorations import Restoration

from .inspection import Inspection
from .keys import RESTORE, check_foreign, wrong_types, wrong_values
from .report import Report


def verify(
    place: Place,
    report: Report,
    *,
    job: str = "",
    kept: Digest | None = None,
    with_redis: bool = True,
) -> Steps[None]:
    """Compare what view, log and archive have of a job, or of all, and tell `report`.

    Everything is compared with a digest that was `kept`, too. Where Redis cannot be asked at first,
    the archive is verified by itself, and the report says why. ArchiveUnavailable; LogUnavailable
    and LogNotReady where there is no archive either; ArchiveNotConfigured where nothing is left.
    """
    log: Log | None = None
    lost: list[Restoration] = []
    if place.has_archive and (log := (yield AskArchive(lambda archive: archive.find_log()))):
        lost = yield AskArchive(restorations.on_record)
    if log is None and (kept or not with_redis):
        raise ArchiveNotConfigured
    if log is None:
        nothing = f"The archive knows no log {place.namespace!r}"
        report.without_archive = nothing if place.has_archive else str(ArchiveNotConfigured())
    if with_redis:
        try:
            yield from _look_at_redis(place, log, report)
        except (LogUnavailable, LogNotReady) as error:
            if log is None:
                raise
            report.without_redis = str(error)
            with_redis = False
    inspection = Inspection(place, report, log, with_redis, lost)
    if job:
        yield from inspection.one_job(job)
        return
    digests: dict[int, PartitionDigest] = {}
    if kept and log:
        report.name(_of_another(kept, log))
        digests = {one.partition: one for one in kept.partitions if kept.log == log.id}
    yield from inspection.everything(digests)


def _look_at_redis(place: Place, log: Log | None, report: Report) -> Steps[None]:
    """Make sure that Redis holds this log, or name what it lacks; LogNotReady."""
    yield from check_foreign(place.namespace, [topic_meta(place.namespace)])
    known = yield from find_log(place.namespace)
    if log and known and known.id != log.id:
        raise LogNotReady(
            f"Redis holds another log {place.namespace!r} than the archive: see that REDIS_URL and "
            "POSTGRES_URL belong together"
        )
    yield from _named(report, wrong_types(place))
    if log and (behind := (yield from find_behind(place))):
        for number, logged, archived in behind:
            end = "has no stream" if logged is None else f"ends at {logged}"
            what = f"the log {end}, and the archive has entries up to {archived}"
            report.name([Discrepancy("log", what, number)])
        raise LogNotReady(older(behind))
    yield from _named(report, wrong_values(place._replace(has_archive=log is not None)))
    reply = yield from on_fresh_log(place, read_job(place.namespace, place.partitions, "-"))
    parse_job(reply)


def _named(report: Report, look: Steps[list[Discrepancy]]) -> Steps[None]:
    """Name what is wrong with keys; LogNotReady where the log cannot be read for it."""
    wrong = yield from look
    report.name(wrong)
    if lost := next((one for one in wrong if one.cure == RESTORE), None):
        raise LogNotReady(f"{lost.what}: {lost.cure}")


def _of_another(kept: Digest, log: Log) -> list[Discrepancy]:
    """Name what makes a digest one of another archive."""
    if kept.log != log.id:
        what = f"the digest is of the log {kept.log}, and the archive of {log.id}"
        return [Discrepancy("digest", what, 0)]
    missing = set(range(log.partitions)) - {one.partition for one in kept.partitions}
    return [Discrepancy("digest", "the digest lacks this partition", one) for one in missing]
