"""Inspection: the way through rows, log and views, of everything or of one job."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from checkpoint.events import entry as log_entry
from checkpoint.events.creation import Log
from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.errors import UndecodableEntry
from checkpoint.events.event import AnyEvent, EventsLost
from checkpoint.events.freshness import Place, last_id
from checkpoint.events.keys import PartitionKeys, partition_of
from checkpoint.events.steps import AskArchive, Steps, command
from checkpoint.projector.view import find_position
from checkpoint.snapshotter import dead_letters, digest, gaps
from checkpoint.snapshotter.chain import Head, genesis
from checkpoint.snapshotter.chain_audit import ChainAudit
from checkpoint.snapshotter.digest import PartitionDigest
from checkpoint.snapshotter.discrepancy import Discrepancy
from checkpoint.snapshotter.gaps import Gap
from checkpoint.snapshotter.restorations import Restoration
from checkpoint.snapshotter.rows import Row, job_rows, page, row_before
from checkpoint.snapshotter.storing import Standing, check_positions

from .comparison import columns, event_of, of_row
from .keys import scan_foreign
from .log import Fields, LogCheck
from .report import Report
from .views import ViewCheck

ROWS_AT_ONCE = 1000
JOBS_AT_ONCE = 5000
"""Views that are compared together: a partition's unarchived entries are read once for them."""


@dataclass(frozen=True)
class Inspection:
    """One log, its archive and its views; with or without Redis."""

    place: Place
    report: Report
    log: Log | None
    """As the archive knows it; None where there is none."""
    with_redis: bool
    lost: Sequence[Restoration]
    """What Redis is known to have lost."""

    def everything(self, kept: Mapping[int, PartitionDigest]) -> Steps[None]:
        """Go over all partitions, and then over all views."""
        if self.log is not None:
            standings: dict[int, Standing] = yield AskArchive(digest.standing)
            check_positions(standings, range(self.log.partitions))
            self.report.total = sum(one.head.number for one in standings.values())
            for number, standing in standings.items():
                yield from self._partition(number, self.log, standing, kept.get(number))
                yield from self._gaps(number, None)
            yield from self._discarded()
        if self.with_redis:
            for number in range(self.place.partitions):
                yield from self._tail(number, standings[number].position if self.log else ZERO)
            yield from self._views()
            foreign, _ = yield from scan_foreign(self.place.namespace)
            self.report.name(one.told(self.place.namespace) for one in foreign)

    def one_job(self, job: str) -> Steps[None]:
        """Go over what there is of one job."""
        number = partition_of(job, self.place.partitions)
        if self.log is not None:
            standings: dict[int, Standing] = yield AskArchive(digest.standing)
            check_positions(standings, range(self.log.partitions))
            rows: list[Row] = yield AskArchive(partial(job_rows, job))
            self.report.total = len(rows)
            for row in rows:
                yield from self._row(number, self.log, row)
            yield from self._gaps(number, job)
            yield from self._discarded(number)
            if self.with_redis:
                known = {row.id for row in rows}
                yield from self._unseen(number, job, known, standings[number].position)
        if self.with_redis:
            yield from self._check_views(number, [job])

    def _partition(
        self, number: int, log: Log, standing: Standing, kept: PartitionDigest | None
    ) -> Steps[None]:
        audit = ChainAudit(number, genesis(log.id, number))
        after, later = ZERO, 0
        more = True
        while more:
            rows: list[Row] = yield AskArchive(
                partial(page, number, after, standing.position, ROWS_AT_ONCE)
            )
            more = len(rows) == ROWS_AT_ONCE
            end = rows[-1].id if more else standing.position
            chained = [row for row in rows if row.id <= standing.chained]
            later += len(rows) - len(chained)
            if kept and (not more or end >= kept.id):
                self.report.name(audit.feed([row for row in chained if row.id <= kept.id]))
                self.report.name(_against(audit, kept, standing))
                chained, kept = [row for row in chained if row.id > kept.id], None
            self.report.name(audit.feed(chained))
            yield from self._rows(number, after, end, rows)
            after = end
        self.report.name(audit.finish(standing.head, standing.chained))
        self.report.notes += audit.notes
        if later:
            self.report.notes.append(
                f"partition {number}: {later} rows that an earlier release stored are not in the "
                "chain yet: the next entry that a snapshotter stores brings them in"
            )

    def _rows(self, number: int, after: EntryId, end: EntryId, rows: Sequence[Row]) -> Steps[None]:
        events = [event_of(row) for row in rows]
        for row, event in zip(rows, events, strict=True):
            self.report.name(columns(number, self.place.partitions, row, event))
        self.report.notes += _losses(event for event in events if event)
        if self.with_redis:
            self.report.name((yield from self._log_check(number).compare(after, end, rows)))
            yield from self._heads(number, zip((row.id for row in rows), events, strict=True))
        self.report.count(rows=len(rows))

    def _row(self, number: int, log: Log, row: Row) -> Steps[None]:
        """Check one row, and that its link follows on the row before it."""
        event = event_of(row)
        self.report.name(columns(number, self.place.partitions, row, event))
        self.report.notes += _losses([event] if event else [])
        before: Row | None = yield AskArchive(partial(row_before, number, row.id))
        start = before.chain if before else genesis(log.id, number).chain
        if row.chain is None or start is None:
            self.report.notes.append(
                f"entry {row.id}: only `checkpoint verify` as a whole can check its link, for an "
                "earlier release stored it or the one before"
            )
        elif Head(0, start).over(row.leaf(number)).chain != row.chain:
            what = "its link is not that of its bytes and of the row before it"
            self.report.name([of_row(number, row, "edited", what)])
        if self.with_redis:
            self.report.name((yield from self._log_check(number).compare_one(row)))
        self.report.count(rows=1)

    def _unseen(
        self, number: int, job: str, known: Collection[EntryId], position: EntryId
    ) -> Steps[None]:
        """Look for entries of a job that the log has, and the archive should."""
        after = ZERO
        check = self._log_check(number)
        while entries := (yield from check.further(after, position)):
            for name in entries.keys() - known:
                event = _event(name, entries[name])
                if event and event.job == job:
                    rows = yield AskArchive(partial(page, number, name.before, name, 1))
                    self.report.name((yield from check.compare(name.before, name, rows)))
            after = max(entries)

    def _gaps(self, number: int, job: str | None) -> Steps[None]:
        found: list[Gap] = yield AskArchive(partial(gaps.find, number, job))
        for gap in found:
            rows = yield AskArchive(partial(page, number, gap.before, gap.after, ROWS_AT_ONCE))
            why = "; ".join([*self._lost_between(number, gap), *_buried(rows, gap)])
            names = f"{gap.first}" if gap.first == gap.last else f"{gap.first} to {gap.last}"
            what = f"the archive lacks version {names}, between {gap.before} and {gap.after}"
            whole = f"{what}: {why}" if why else what
            one = Discrepancy("version", whole, number, job=gap.job, version=gap.first)
            self.report.name([one])

    def _discarded(self, partition: int | None = None) -> Steps[None]:
        """List the entries that nobody can check any more, whatever job they were of."""
        found: list[tuple[int, EntryId]] = yield AskArchive(
            lambda archive: archive.transact(dead_letters.discarded)
        )
        self.report.notes += (
            f"{number}:{name} was discarded as a dead letter: what it was can be checked no more"
            for number, name in found
            if partition in (None, number)
        )

    def _lost_between(self, number: int, gap: Gap) -> Iterator[str]:
        for one in self.lost:
            if one.partition == number and gap.before <= one.archived < gap.after:
                when = f"{one.at:%F %T} UTC" if one.at else "now"
                yield f"Redis was restarted or restored after {one.archived} ({when})"

    def _tail(self, number: int, position: EntryId) -> Steps[None]:
        """Count what is still on its way, and look for the heads of its jobs."""
        keys = PartitionKeys(self.place.namespace, number)
        applied = yield from find_position(keys)
        end = (yield from last_id(keys)) or ZERO  # it may grow faster than this reads
        after, unarchived, unapplied = min(position, applied), 0, 0
        while entries := (yield from self._log_check(number).further(after, end)):
            unarchived += sum(name > position for name in entries)
            unapplied += sum(name > applied for name in entries)
            named = [(name, _event(name, fields)) for name, fields in entries.items()]
            if self.log is None:
                self.report.notes += _losses(event for _, event in named if event)
            yield from self._heads(number, named)
            after = max(entries)
        for count, where in ((unarchived * bool(self.log), "archive"), (unapplied, "views")):
            if count:
                self.report.notes.append(
                    f"partition {number}: {count} entries are not in the {where} yet: that is lag"
                )

    def _heads(self, number: int, events: Iterable[tuple[EntryId, AnyEvent | None]]) -> Steps[None]:
        """Look for jobs that should live, and that Redis has forgotten altogether."""
        seconds, _ = yield from command("TIME")
        now_ms = int(seconds) * 1000
        keys = PartitionKeys(self.place.namespace, number)
        live = sorted({one.job for name, one in events if one and name.ms + one.ttl_ms > now_ms})
        heads = [keys.job(job).head for job in live]
        if not heads or (yield from command("EXISTS", *heads)) == len(heads):
            return
        gone = []
        for job, head in zip(live, heads, strict=True):
            if not (yield from command("EXISTS", head)):
                gone.append(job)
        self.report.name((yield from ViewCheck(self.place, keys).check(gone)))

    def _views(self) -> Steps[None]:
        """Compare the views of all jobs that Redis knows."""
        cursor, jobs = b"0", dict.fromkeys(range(self.place.partitions), frozenset[str]())
        pattern = f"{{{self.place.namespace}:*}}:head:*"
        done = False
        while not done:
            cursor, names = yield from command("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
            done = cursor == b"0"
            for name in names:
                job = name.partition(b":head:")[2].decode(errors="replace")
                jobs[partition_of(job, self.place.partitions)] |= {job}
            for number, some in jobs.items():
                if len(some) >= JOBS_AT_ONCE or (done and some):
                    jobs[number] = frozenset()
                    yield from self._check_views(number, sorted(some))

    def _check_views(self, number: int, jobs: Sequence[str]) -> Steps[None]:
        keys = PartitionKeys(self.place.namespace, number)
        self.report.name((yield from ViewCheck(self.place, keys).check(jobs)))
        self.report.count(jobs=len(jobs))

    def _log_check(self, number: int) -> LogCheck:
        lost = [one for one in self.lost if one.partition == number]
        return LogCheck(PartitionKeys(self.place.namespace, number), lost)


def _event(name: EntryId, fields: Fields) -> AnyEvent | None:
    try:
        return log_entry.decode(str(name).encode(), fields).event
    except UndecodableEntry:
        return None


def _losses(events: Iterable[AnyEvent]) -> list[str]:
    """Say which events tell that Redis had lost others, which is known and no difference."""
    return [
        f"job {one.job!r}: Redis has lost versions {one.first} to {one.last} of incarnation "
        f"{one.incarnation}, which it had acknowledged as `log`"
        for one in events
        if isinstance(one, EventsLost)
    ]


def _buried(rows: Iterable[Row], gap: Gap) -> Iterator[str]:
    """Say which dead letters are the missing versions."""
    letters = (row for row in rows if row.job is None and row.discarded is None)
    for row in letters:
        event = _event(row.id, row.fields)
        if event and event.job == gap.job and gap.first <= int(row.fields[3]) <= gap.last:
            yield f"version {int(row.fields[3])} is the dead letter {row.id}"


def _against(audit: ChainAudit, kept: PartitionDigest, standing: Standing) -> Iterator[Discrepancy]:
    """Compare the chain up to where a digest was taken with what the digest says."""
    head, what = audit.head, ""
    if kept.id > standing.chained:
        what = f"the digest goes up to {kept.position}, and the archive to {standing.chained}"
    elif (head.number, head.chain.hex()) != (kept.rows, kept.chain):
        what = (
            f"up to {kept.position} the digest has {kept.rows} rows and the link {kept.chain}, and "
            f"the archive {head.number} rows and the link {head.chain.hex()}: rows were changed, "
            "and all links after them"
        )
    elif audit.discarded > kept.discarded:
        gone = audit.discarded - kept.discarded
        what = f"{gone} entries that were there then have been discarded since"
    if what:
        yield Discrepancy("digest", what, kept.partition)
