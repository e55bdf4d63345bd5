"""Laws on calls: how long they take, and what they raise. Pure."""

from collections.abc import Iterator
from typing import NamedTuple

from chaos.evidence.facts import Evidence
from chaos.evidence.records import Record

from .account import Account
from .violation import Violation, forged_jobs

GRACE_SECONDS = 1.0
"""What a call may take beyond its deadline: the machine has few cores and many processes."""

REFUSALS = frozenset({"StaleClaim", "JobClaimed", "VersionConflict", "IncarnationEnded"})
"""What the log may refuse at any time, for another one was quicker."""
OUTAGES = frozenset(
    {
        "LogUnavailable",
        "LogNotReady",
        "ArchiveUnavailable",
        "NotDurableYet",
        "NotSynced",
        "EventLost",
    }
)
"""What a call may raise during an outage."""
OF_OPS = {"rewind": frozenset({"JobNotLive"})}
CANCELLED = "CancelledError"


class Call(NamedTuple):
    """A call and its end; None where it did not return."""

    begun: Record
    ended: Record | None

    def __str__(self) -> str:
        """Return what people read."""
        how = "did not return"
        if self.ended:
            how = f"ended with {self.ended.error or 'success'}: {self.ended.text[:200]}"
        return f"{self.begun.op} {self.begun.call} at {self.begun.at:.2f} {how}"


def calls_end_within_their_deadlines(account: Account) -> Iterator[Violation]:
    """Every call, `close` too, ends within its deadline and a small grace."""
    for took, one in _late(account.evidence):
        if one.ended:
            what = f"{took:.1f} s of {one.begun.limit:.1f}: {one}"
            yield Violation("calls end in time", one.begun.job, what)


def calls_return(account: Account) -> Iterator[Violation]:
    """No call is still under way long after its deadline."""
    for took, one in _late(account.evidence):
        if not one.ended:
            what = f"after {took:.1f} s of {one.begun.limit:.1f}: {one}"
            yield Violation("calls return", one.begun.job, what)


def _late(evidence: Evidence) -> Iterator[tuple[float, Call]]:
    """Yield the calls that take too long, not counting when their process got no time."""
    last = {one.life: one.at for one in evidence.records}
    stalls, calls = _stalls(evidence), _calls(evidence)
    for one in calls:
        begun = one.begun
        until = one.ended.at if one.ended else last[begun.life]
        took = until - begun.at - _overlap(stalls.get(begun.life, []), begun.at, until)
        if took > begun.limit + GRACE_SECONDS:
            took -= sum(
                other.ended.at - other.begun.at
                for other in calls
                if other.ended and _is_in(other, one)
            )
            if took > begun.limit + GRACE_SECONDS:
                yield took, one


def errors_are_expected(account: Account) -> Iterator[Violation]:
    """Callers see the errors that an outage may raise, and none that a driver does."""
    forged = forged_jobs(account.evidence)
    for one in _calls(account.evidence):
        error = one.ended.error if one.ended else ""
        expected = REFUSALS | OUTAGES | OF_OPS.get(one.begun.op, frozenset()) | {"", CANCELLED}
        is_ours = "." not in error
        if error not in expected and not (is_ours and one.begun.job in forged):
            yield Violation("errors are of the expected classes", one.begun.job, str(one))


def no_errors_while_all_is_well(account: Account) -> Iterator[Violation]:
    """Outside the faults, and the time to recover from them, no call fails."""
    forged = forged_jobs(account.evidence)
    for one in _calls(account.evidence):
        if not one.ended or one.ended.error not in OUTAGES or one.begun.job in forged:
            continue
        if not any(
            window.begun < one.ended.at and one.begun.at < window.over
            for window in account.evidence.windows
        ):
            yield Violation("no errors while all is well", one.begun.job, str(one))


def _calls(evidence: Evidence) -> list[Call]:
    ends = {one.call: one for one in evidence.records if one.what == "end"}
    return [Call(one, ends.get(one.call)) for one in evidence.records if one.what == "call"]


def _is_in(other: Call, one: Call) -> bool:
    """Say whether a call was made within another: by a signal's handler."""
    us, them = one.begun, other.begun
    is_same = (us.life, us.thread) == (them.life, them.thread) and us.call != them.call
    return is_same and us.at <= them.at and (one.ended is None or them.at <= one.ended.at)


def _stalls(evidence: Evidence) -> dict[str, list[tuple[float, float]]]:
    stalls: dict[str, list[tuple[float, float]]] = {}
    for one in evidence.records:
        if one.what == "pulse" and one.stalled:
            stalls.setdefault(one.life, []).append((one.at - one.stalled, one.at))
    return stalls


def _overlap(stalls: list[tuple[float, float]], begin: float, end: float) -> float:
    return sum(max(0.0, min(end, until) - max(begin, since)) for since, until in stalls)
