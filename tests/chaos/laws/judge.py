"""The judge: says what in the evidence breaks a law, and what it excuses. Pure."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from chaos.evidence.facts import Evidence

from .account import Account, Excuse
from .answers import (
    answers_are_not_older_than_what_was_told,
    answers_of_redis_are_of_now,
    nothing_is_said_only_of_nothing,
    replies_are_of_the_job,
)
from .archive import (
    durable_is_archived_once,
    ids_name_one_entry,
    no_stale_token_got_through,
    nothing_is_done_twice,
    nothing_vanishes,
    only_poison_is_dead,
    the_archive_is_the_log,
    versions_have_no_gaps,
    views_are_the_fold,
)
from .calls import (
    calls_end_within_their_deadlines,
    calls_return,
    errors_are_expected,
    no_errors_while_all_is_well,
)
from .end import (
    memory_is_bounded,
    nobody_dies,
    nobody_stays_stuck,
    the_doctor_is_content,
    verify_names_what_was_lost,
)
from .naming import what_is_named_was_lost, who_was_told_names_what_is_lost
from .violation import Violation, acks_of

LAWS: dict[str, Callable[[Account], Iterator[Violation]]] = {
    "durable is archived once": durable_is_archived_once,
    "nothing vanishes": nothing_vanishes,
    "what is lost is named by job": who_was_told_names_what_is_lost,
    "what is named was lost": what_is_named_was_lost,
    "versions have no gaps": versions_have_no_gaps,
    "nothing is done twice": nothing_is_done_twice,
    "an id names one entry": ids_name_one_entry,
    "no stale token got through": no_stale_token_got_through,
    "view == fold(archive)": views_are_the_fold,
    "fold(archive) == fold(log)": the_archive_is_the_log,
    "only poison is dead": only_poison_is_dead,
    "answers are not old": answers_are_not_older_than_what_was_told,
    "answers of Redis are of now": answers_of_redis_are_of_now,
    "nothing is said only of nothing": nothing_is_said_only_of_nothing,
    "replies are of the job": replies_are_of_the_job,
    "calls end in time": calls_end_within_their_deadlines,
    "calls return": calls_return,
    "errors are of the expected classes": errors_are_expected,
    "no errors while all is well": no_errors_while_all_is_well,
    "memory is bounded": memory_is_bounded,
    "nobody dies by itself": nobody_dies,
    "nobody stays stuck": nobody_stays_stuck,
    "the doctor is content": the_doctor_is_content,
    "verify is clean": verify_names_what_was_lost,
}
"""Every law, by the name that its violations have."""


class Judgement(NamedTuple):
    """What the judge says."""

    violations: Sequence[Violation]
    excuses: Counter[Excuse]


def judge(evidence: Evidence) -> Judgement:
    """Return every violation, sorted by law and job, and how many events were excused by what."""
    account = Account(evidence)
    found = {violation for law in LAWS.values() for violation in law(account)}
    return Judgement(sorted(found), Counter(_excuses(account)))


def _excuses(account: Account) -> Iterator[Excuse]:
    archived = {row.mark for row in account.evidence.archived}
    for ack in acks_of(account.evidence):
        excuse = account.excuse(ack) if ack.mark not in archived else None
        if excuse:
            yield excuse
