"""Laws on what was acknowledged, and on log, archive and views. Pure."""

from collections import Counter
from collections.abc import Iterator

from chaos.evidence.facts import Seen, entry_id
from chaos.evidence.records import Record

from .account import Account
from .course import stages_after
from .violation import Violation, acks_of, by_job, forged_jobs


def durable_is_archived_once(account: Account) -> Iterator[Violation]:
    """Every `durable` acknowledgement is in the archive exactly once."""
    rows = Counter(row.mark for row in account.evidence.archived)
    for ack in acks_of(account.evidence):
        if ack.level == "durable" and rows[ack.mark] != 1:
            dead = [
                account.evidence.dead.get(one.place) for one in account.places.get(ack.mark, [])
            ]
            yield Violation(
                "durable is archived once",
                ack.job,
                f"{ack.mark}: {rows[ack.mark]} rows, dead letters {dead} ({ack})",
            )


def nothing_vanishes(account: Account) -> Iterator[Violation]:
    """Every other acknowledged event is archived, unless a fault took it and it is on record."""
    rows = {row.mark: row for row in account.evidence.archived}
    for ack in acks_of(account.evidence):
        row = rows.get(ack.mark)
        if row is None:
            if ack.level != "durable" and not _is_excused(account, ack):
                yield Violation("nothing vanishes", ack.job, _why_gone(account, ack))
        elif ack.id and (row.id, row.version) != (entry_id(ack.id), ack.version):
            yield Violation("nothing vanishes", ack.job, f"{row} is not what {ack} said")


def _is_excused(account: Account, ack: Record) -> bool:
    return ack.mark in account.evidence.spool_refused or bool(account.excuse(ack))


def _why_gone(account: Account, ack: Record) -> str:
    places = [
        f"{one.place}: taken by {getattr(account.lost_by.get(one.place), 'kind', 'no fault')}, "
        f"{'' if account.is_named(one.place) else 'not '}on record, "
        f"dead letter: {account.evidence.dead.get(one.place, 'no')}"
        for one in account.places.get(ack.mark, [])
    ]
    return f"{ack.mark} is gone; the log had it at {places} ({ack})"


def versions_have_no_gaps(account: Account) -> Iterator[Violation]:
    """Find incarnations whose events are not 1, 2, 3 …; a number that was lost is given again."""
    forged = forged_jobs(account.evidence)
    for job, rows in by_job(account.evidence.archived).items():
        if job in forged:
            continue
        lives: dict[tuple[int, int], list[int]] = {}
        for row in rows:
            lives.setdefault(row.incarnation, []).append(row.version)
        for incarnation, versions in lives.items():
            if versions != list(range(1, len(versions) + 1)):
                yield Violation(
                    "versions have no gaps", job, f"incarnation {incarnation}: {versions}"
                )


def nothing_is_done_twice(account: Account) -> Iterator[Violation]:
    """Make one event at most of what was tried once, however often it was sent."""
    marks: dict[str, list[Seen]] = {}
    for row in account.evidence.archived:
        if row.mark:
            marks.setdefault(row.mark, []).append(row)
    for rows in marks.values():
        if len(rows) > 1:
            yield Violation("nothing is done twice", rows[0].job, f"{rows}")


def views_are_the_fold(account: Account) -> Iterator[Violation]:
    """Every view is what the archive's events add up to."""
    jobs, views = by_job(account.evidence.archived), account.evidence.views
    forged = forged_jobs(account.evidence)
    for job, rows in jobs.items():
        stages, is_over = stages_after(rows), rows[-1].event["type"] == "job_deleted"
        view = views.get(job, {"version": 0, "stages": {}})
        is_same = (view["stages"], view["version"]) == (stages, rows[-1].version)
        if not is_same and not (is_over and job not in views) and job not in forged:
            yield Violation(
                "view == fold(archive)", job, f"view {view}, archive v{rows[-1].version} {stages}"
            )
    for job in views.keys() - jobs.keys() - forged:
        yield Violation("view == fold(archive)", job, f"a view without archive: {views[job]}")


def the_archive_is_the_log(account: Account) -> Iterator[Violation]:
    """Archive and log have the same entries, byte for byte, but for what a fault took."""
    evidence = account.evidence
    rows = {row.place: row for row in evidence.archived}
    for place, row in rows.items():
        seen = evidence.seen.get(place)
        if seen is None or seen._replace(at=0.0) != row:
            yield Violation("fold(archive) == fold(log)", row.job, f"seen {seen}, archived {row}")
    for place, seen in evidence.seen.items():
        if place in rows or place in evidence.dead:
            continue
        if place not in account.lost_by or not account.is_named(place):
            by = account.lost_by.get(place)
            why = f"taken by {by.kind}, and not on record" if by else "no fault took it"
            yield Violation(
                "fold(archive) == fold(log)", seen.job, f"only in the log ({why}): {seen}"
            )


def only_poison_is_dead(account: Account) -> Iterator[Violation]:
    """No event became a dead letter unless its version was taken, and all poison did."""
    evidence = account.evidence
    for place, reason in evidence.dead.items():
        seen = evidence.seen.get(place)
        if place in evidence.poison | evidence.forged or (seen and account.version_taken(seen)):
            continue
        yield Violation("only poison is dead", seen.job if seen else "", f"{place}: {reason}")
    for place in evidence.poison - evidence.dead.keys():
        if place not in account.lost_by:
            yield Violation("only poison is dead", "", f"{place} is no dead letter")


def no_stale_token_got_through(account: Account) -> Iterator[Violation]:
    """No event was appended under a claim after a later claim of the job, or its end."""
    evidence = account.evidence
    tokens = {one.mark: one.token for one in evidence.records if one.what == "try" and one.token}
    for job, entries in by_job(evidence.seen.values()).items():
        for course in account.courses(entries, 0.0, float("inf")):
            held: tuple[int, int] = (0, 0)
            broken = []
            for entry in course:
                token = entry_id(tokens.get(entry.mark, "0-0"))
                if token > (0, 0) and token != held:
                    broken.append(f"{entry} after {held}")
                if entry.event["type"] == "job_claimed":
                    held = entry.id
                elif entry.event["type"] in {"job_deleted", "job_released"}:
                    held = (0, 0)
            if not broken:
                break
        else:
            yield Violation("no stale token got through", job, broken[0])


def ids_name_one_entry(account: Account) -> Iterator[Violation]:
    """No entry id was given twice."""
    for said in account.evidence.renamed:
        yield Violation("an id names one entry", "", said)
