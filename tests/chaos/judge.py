"""The judge: says what in the evidence breaks a promise, by a model of its own. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from .evidence import Evidence
from .records import Record
from .tap import Seen, entry_id

Stages = dict[str, str]


class Violation(NamedTuple):
    """A broken promise."""

    promise: str
    job: str
    evidence: str


def judge(evidence: Evidence) -> list[Violation]:
    """Return every violation, sorted by promise and job."""
    laws: Sequence[Callable[[Evidence], Iterator[Violation]]] = (
        durable_is_archived_once,
        nothing_vanishes_unnamed,
        who_was_told_names_what_is_lost,
        versions_have_no_gaps,
        nothing_is_done_twice,
        views_and_archive_agree,
        the_archive_has_what_was_seen,
        only_poison_is_dead,
        no_stale_token_got_through,
        answers_are_explainable,
    )
    return sorted({violation for law in laws for violation in law(evidence)})


def durable_is_archived_once(evidence: Evidence) -> Iterator[Violation]:
    """Every `durable` acknowledgement is in the archive exactly once."""
    rows = Counter(row.mark for row in evidence.archived)
    for ack in _acks(evidence):
        if ack.level == "durable" and rows[ack.mark] != 1:
            yield Violation(
                "durable is archived once", ack.job, f"{ack.mark}: {rows[ack.mark]} rows ({ack})"
            )


def nothing_vanishes_unnamed(evidence: Evidence) -> Iterator[Violation]:
    """Every other acknowledged event is in the archive too, or said to be lost."""
    rows = {row.mark: row for row in evidence.archived}
    partitions = {seen.job: seen.partition for seen in evidence.seen.values()}
    for ack in _acks(evidence):
        partition = partitions.get(ack.job, -1)
        if ack.mark not in rows and not _is_named(evidence, partition, entry_id(ack.id)):
            yield Violation("nothing vanishes unnamed", ack.job, f"{ack.mark} is gone ({ack})")
        elif (row := rows.get(ack.mark)) and (row.id, row.version) != (
            entry_id(ack.id),
            ack.version,
        ):
            yield Violation("nothing vanishes unnamed", ack.job, f"{row} is not what {ack} said")


def who_was_told_names_what_is_lost(evidence: Evidence) -> Iterator[Violation]:
    """Name by job and version what is lost, if who was told of it sees the number given again."""
    marks = {row.mark for row in evidence.archived}
    named = [row for row in evidence.archived if row.event["type"] == "events_lost"]
    kept: dict[tuple[str, str, str], list[Record]] = {}
    latest: dict[str, float] = {}
    for one in _acks(evidence):
        if one.mark in marks:
            kept.setdefault(_told(one), []).append(one)
            latest[_life(one)] = max(one.at, latest.get(_life(one), 0.0))
    for ack in _acks(evidence):
        again = [
            one
            for one in kept.get(_told(ack), [])
            if one.at > ack.at and one.version <= ack.version
        ]
        # who did nothing more may have been killed in the middle
        if ack.mark in marks or not again or latest[_life(ack)] <= again[0].at:
            continue
        if not any(_names(row, ack) for row in named):
            yield Violation("what is lost is named by job", ack.job, f"{ack}, again {again[0]}")


def _told(record: Record) -> tuple[str, str, str]:
    """Name a life of a job, and the process that was told of it."""
    return record.job, record.incarnation, _life(record)


def _life(record: Record) -> str:
    """Name the process that wrote a record."""
    return record.mark.partition("/")[0]


def _names(row: Seen, ack: Record) -> bool:
    event = row.event
    return (event["job"], event["incarnation"]) == (ack.job, ack.incarnation) and (
        event["first"] <= ack.version <= event["last"]
    )


def versions_have_no_gaps(evidence: Evidence) -> Iterator[Violation]:
    """Find incarnations whose events are not 1, 2, 3 …; a number that was lost is given again."""
    for job, rows in _by_job(evidence.archived).items():
        lives: dict[tuple[int, int], list[Seen]] = {}
        for row in rows:
            lives.setdefault(row.incarnation, []).append(row)
        for incarnation, events in lives.items():
            versions = [event.version for event in events]
            if versions != list(range(1, len(versions) + 1)):
                yield Violation(
                    "versions have no gaps", job, f"incarnation {incarnation}: {versions}"
                )


def nothing_is_done_twice(evidence: Evidence) -> Iterator[Violation]:
    """Make one event at most of what was tried once, however often it was sent."""
    for mark, times in Counter(row.mark for row in evidence.archived if row.mark).items():
        if times > 1:
            rows = [row for row in evidence.archived if row.mark == mark]
            yield Violation("nothing is done twice", rows[0].job, f"{rows}")


def views_and_archive_agree(evidence: Evidence) -> Iterator[Violation]:
    """Every view is what the archive's events add up to."""
    for job, rows in _by_job(evidence.archived).items():
        stages, deleted = stages_after(rows), rows[-1].event["type"] == "job_deleted"
        view = evidence.views.get(job, {"version": 0, "stages": {}})
        if (view["stages"], view["version"]) != (stages, rows[-1].version):
            state = f"deleted at {rows[-1].version}" if deleted else f"{rows[-1].version} {stages}"
            yield Violation("view == fold(archive)", job, f"view {view}, archive {state}")
    for job in evidence.views.keys() - _by_job(evidence.archived).keys():
        yield Violation("view == fold(archive)", job, f"only in the view: {evidence.views[job]}")


def the_archive_has_what_was_seen(evidence: Evidence) -> Iterator[Violation]:
    """Keep in the archive what was seen in the log, as it was, but for what is said to be lost."""
    rows = {(row.partition, row.id): row for row in evidence.archived}
    for place, row in rows.items():
        seen = evidence.seen.get(place)
        if seen is None or seen._replace(at=0.0) != row:
            yield Violation("fold(archive) == fold(log)", row.job, f"seen {seen}, archived {row}")
    for place, seen in evidence.seen.items():
        if place not in rows and not _is_named(evidence, *place):
            yield Violation("fold(archive) == fold(log)", seen.job, f"only in the log: {seen}")


def only_poison_is_dead(evidence: Evidence) -> Iterator[Violation]:
    """No event became a dead letter, and all poison that was not lost did."""
    for place, reason in evidence.dead.items():
        if place not in evidence.poison:
            job = evidence.seen[place].job if place in evidence.seen else ""
            yield Violation("only poison is dead", job, f"{place}: {reason}")
    for place in evidence.poison - evidence.dead.keys():
        if not _is_named(evidence, *place):
            yield Violation("only poison is dead", "", f"{place} is no dead letter")


def no_stale_token_got_through(evidence: Evidence) -> Iterator[Violation]:
    """No event was appended under a claim after a later claim of the job, or its end."""
    tokens = {one.mark: one.token for one in evidence.records if one.what == "try" and one.token}
    for job, entries in _by_job(evidence.seen.values()).items():
        holder = (0, 0)
        for entry in entries:
            token = entry_id(tokens.get(entry.mark, "0-0"))
            if token > (0, 0) and token != holder:
                yield Violation("no stale token got through", job, f"{entry} after {holder}")
            if entry.event["type"] == "job_claimed":
                holder = entry.id
            elif entry.event["type"] in {"job_deleted", "job_released"}:
                holder = (0, 0)


def answers_are_explainable(evidence: Evidence) -> Iterator[Violation]:
    """Every answer is what some beginning of the job's log says, with all that was acknowledged."""
    jobs = _by_job(evidence.seen.values())
    needed: dict[str, list[tuple[int, int]]] = {}
    durable: dict[str, list[tuple[int, int]]] = {}
    asked: dict[str, tuple[int, int]] = {}
    for one in evidence.records:
        ours = needed.setdefault(one.job, [])
        archived = durable.setdefault(one.job, [])
        entries = jobs.get(one.job, [])
        if one.what == "ack":
            entry = entry_id(one.id) if one.id else _next_deletion(entries, ours)
            ours.append(entry)
            archived += [entry] if one.level == "durable" else []
        elif one.what == "ask":
            asked[one.mark] = len(ours), len(archived)
        elif one.what == "answer":
            known, old = asked[one.mark]
            # the archive may have answered, too, where the answer is that there is nothing
            least = archived[:old] if one.source in {"archive", ""} else ours[:known]
            if not _is_explained(evidence, entries, one, least):
                yield Violation("answers are explainable", one.job, f"{one}, after {least[-3:]}")


def _next_deletion(entries: Sequence[Seen], before: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Return the first deletion after what was acknowledged before; its own id is not told."""
    known = max(before, default=(0, 0))
    return next(
        (one.id for one in entries if one.id > known and one.event["type"] == "job_deleted"), known
    )


def _is_explained(
    evidence: Evidence, entries: Sequence[Seen], answer: Record, needed: Sequence[tuple[int, int]]
) -> bool:
    """Say whether a beginning of some course of the job's log explains an answer."""
    for course in _courses(evidence, entries):
        least = max((n for n in needed if any(one.id == n for one in course)), default=(0, 0))
        state: Stages = {}
        if least == (0, 0) and state == answer.stages:
            return True
        for entry in course:
            state = _after(state, entry)
            if entry.id >= least and state == answer.stages:
                return True
    return False


def _courses(evidence: Evidence, entries: Sequence[Seen]) -> Iterator[list[Seen]]:
    """Yield the job's log as it went on after each loss of data: without what was lost."""
    archived = {(row.partition, row.id) for row in evidence.archived}
    yield list(entries)
    for loss in evidence.losses:
        yield [one for one in entries if one.at > loss or (one.partition, one.id) in archived]


def stages_after(entries: Iterable[Seen]) -> Stages:
    """Say which stages are completed after a job's entries, by their marks."""
    state: Stages = {}
    for entry in entries:
        state = _after(state, entry)
    return state


def _after(state: Stages, entry: Seen) -> Stages:
    if entry.event["type"] == "job_deleted":
        return {}
    before = {} if entry.version == 1 else state
    if entry.event["type"] == "stage_completed":
        return {**before, entry.event["stage"]: entry.mark}
    return before


def _acks(evidence: Evidence) -> list[Record]:
    return [one for one in evidence.records if one.what == "ack" and one.id]


def _by_job(entries: Iterable[Seen]) -> dict[str, list[Seen]]:
    jobs: dict[str, list[Seen]] = {}
    for entry in sorted(entries, key=lambda one: one.id):
        jobs.setdefault(entry.job, []).append(entry)
    return jobs


def _is_named(evidence: Evidence, partition: int, entry: tuple[int, int]) -> bool:
    return any(
        gap.partition == partition and gap.after < entry < (gap.resumed_ms, 0)
        for gap in evidence.gaps
    )
