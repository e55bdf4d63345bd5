"""Laws on answers: none is older than what its manager was told, whatever its source. Pure."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from chaos.evidence.facts import EntryName, Seen, entry_id
from chaos.evidence.records import Record

from .account import Account
from .course import State, states
from .violation import Violation, forged_jobs

LIVE_SOURCES = {"view", "log"}
QUESTIONS = {"get_resume_point", "get_job_progress", "load", "is_completed", "get_job_history"}
CHANGES_ROLES = "failover"

Floor = Callable[[Account, "Question", Sequence[Seen]], int]
"""Says how many of a course's entries an answer must have."""


class Question(NamedTuple):
    """A question, its answer, and what the manager had been told of the job before."""

    asked: Record
    answer: Record
    told: Sequence[EntryName]

    def __str__(self) -> str:
        """Return what people read."""
        told = ", ".join(f"{ms}-{seq}" for ms, seq in self.told[-3:])
        a = self.answer
        said = f"stages {a.stages} done {a.done} source {a.source!r} status {a.status!r}"
        return f"{self.asked.call} {self.asked.op}({self.asked.stage}): {said}; told {told or '-'}"


def answers_are_not_older_than_what_was_told(account: Account) -> Iterator[Violation]:
    """Every answer is what the job was at a time since all that this manager was told of it."""
    for one, entries in _judged(account):
        if one.asked.op == "get_job_history":
            missing = _missing(account, one)
            if missing:
                yield Violation("answers are not old", one.asked.job, f"{one}: lacks {missing}")
        elif not _is_explained(account, one, entries, _told_floor):
            yield Violation("answers are not old", one.asked.job, str(one))


def answers_of_redis_are_of_now(account: Account) -> Iterator[Violation]:
    """Redis' answers have all that the log had before the question, by whomever it came."""
    for one, entries in _judged(account):
        is_of_redis = one.answer.source in LIVE_SOURCES
        if is_of_redis and not _is_explained(account, one, entries, _seen_floor):
            yield Violation("answers of Redis are of now", one.asked.job, str(one))


def nothing_is_said_only_of_nothing(account: Account) -> Iterator[Violation]:
    """Nothing is said to be there only where nothing is, and not for want of Redis."""
    for one, entries in _judged(account):
        if one.asked.op not in {"get_resume_point", "get_job_progress"} or one.answer.stages:
            continue
        if one.answer.status in {"deleted", "expired"} or one.answer.source in LIVE_SOURCES:
            continue  # that is not nothing; or it is judged as Redis' own
        floor = _nothing_floor if one.asked.op == "get_resume_point" else _seen_floor
        if not _is_explained(account, one, entries, floor):
            yield Violation("nothing is said only of nothing", one.asked.job, str(one))


def replies_are_of_the_job(account: Account) -> Iterator[Violation]:
    """Whatever a caller hears is of the job that it asked for."""
    forged = forged_jobs(account.evidence)
    for one in account.evidence.records:
        others = {job for job in one.jobs if job != one.job}
        if one.what in {"ack", "answer"} and others and one.job not in forged:
            yield Violation("replies are of the job", one.job, f"{one.call}: of {others} ({one})")


def _judged(account: Account) -> Iterator[tuple[Question, list[Seen]]]:
    """Yield the answers that can be judged, with the entries of their jobs as they came."""
    forged = forged_jobs(account.evidence)
    jobs: dict[str, list[Seen]] = {}
    for entry in sorted(account.evidence.seen.values(), key=lambda one: one.at):
        jobs.setdefault(entry.job, []).append(entry)
    for one in _questions(account, jobs):
        if one.asked.job not in forged:
            yield one, jobs.get(one.asked.job, [])


def _questions(account: Account, jobs: dict[str, list[Seen]]) -> Iterator[Question]:
    told: dict[str, dict[str, list[EntryName]]] = {}
    asked: dict[str, tuple[Record, Sequence[EntryName]]] = {}
    for one in account.evidence.records:
        known = told.setdefault(one.life, {})
        if one.what == "fork":
            told[one.life] = {job: list(names) for job, names in told.get(one.mark, {}).items()}
        elif one.what in {"ack", "doubt"}:
            known.setdefault(one.job, []).extend(_heard(account, jobs, one, known))
        elif one.what == "call" and one.op in QUESTIONS:
            asked[one.call] = one, tuple(known.get(one.job, ()))
        elif one.what == "answer":
            question, before = asked[one.call]
            yield Question(question, one, before)


def _heard(
    account: Account,
    jobs: dict[str, list[Seen]],
    one: Record,
    known: dict[str, list[EntryName]],
) -> list[EntryName]:
    """Return the entry that a manager was told of, if that can be known."""
    if one.id:
        return [entry_id(one.id)]
    if one.what == "doubt":
        return []
    if one.level == "spooled":
        return [entry.id for entry in account.places.get(one.mark, [])]
    before = max(known.get(one.job, ()), default=(0, 0))
    deletions = [
        entry.id
        for entry in jobs.get(one.job, [])
        if entry.id > before and entry.event["type"] == "job_deleted"
    ]
    return deletions[:1] if one.kind == "delete" else []


def _missing(account: Account, one: Question) -> list[EntryName]:
    """Return what a history lacks of what its manager was told, and no fault had taken."""
    has = {entry_id(name) for name in one.answer.ids}
    taken = {place[1] for place, loss in account.lost_by.items() if loss.begun < one.answer.at}
    known = {place[1] for place in account.evidence.seen}
    return [name for name in one.told if name not in has | taken and name in known]


def _is_explained(account: Account, one: Question, entries: list[Seen], floor: Floor) -> bool:
    """Say whether some beginning of some course of the job's log, not before `floor`, explains."""
    for course in account.courses(entries, one.asked.at, one.answer.at):
        least = max(floor(account, one, course), _told_floor(account, one, course))
        for number, state in enumerate(states(course)):
            if number >= least and _says(one, state):
                return True
    return one.asked.life.startswith("spool") and _is_spooled(account, one)


def _says(one: Question, state: State) -> bool:
    stages, stage = one.answer.stages, one.asked.stage
    match one.asked.op:
        case "load":
            return state.stages.get(stage) == stages.get(stage)
        case "is_completed":
            return (stage in state.stages) == one.answer.done
        case "get_job_progress" if one.answer.status == "deleted":
            return state.deleted
        case "get_job_progress":
            return state.stages.keys() == stages.keys()
    return state.stages == stages


def _told_floor(_: Account, one: Question, course: Sequence[Seen]) -> int:
    told = set(one.told)
    return max((n for n, entry in enumerate(course, 1) if entry.id in told), default=0)


def _seen_floor(account: Account, one: Question, course: Sequence[Seen]) -> int:
    if any(
        window.kind == CHANGES_ROLES and window.begun < one.answer.at and one.asked.at < window.over
        for window in account.evidence.windows
    ):
        return 0  # a connection to the old primary reads what that one has
    return max((n for n, entry in enumerate(course, 1) if entry.at < one.asked.at), default=0)


def _nothing_floor(account: Account, one: Question, course: Sequence[Seen]) -> int:
    """Ask for one entry: an archive that knows of the job may be behind, but not know nothing."""
    return min(1, _seen_floor(account, one, course))


def _is_spooled(account: Account, one: Question) -> bool:
    """Say whether what is not in the log yet explains an answer: it waits in the spool."""
    tries = [
        record
        for record in account.evidence.records
        if record.what == "try" and record.job == one.asked.job and record.at < one.answer.at
    ]
    if any(record.kind == "delete" for record in tries):
        return True
    marks = {record.mark for record in tries}
    if one.asked.op == "is_completed":
        return bool(one.answer.done) and any(t.stage == one.asked.stage for t in tries)
    if one.asked.op == "get_job_progress":
        return one.answer.stages.keys() <= {record.stage for record in tries}
    return bool(one.answer.stages) and set(one.answer.stages.values()) <= marks
