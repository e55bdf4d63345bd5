"""Laws on how a loss is put on record by job and version. Pure."""

from collections.abc import Iterator

from chaos.evidence.facts import Seen, entry_id
from chaos.evidence.records import Record

from .account import Account
from .violation import Violation, acks_of


def who_was_told_names_what_is_lost(account: Account) -> Iterator[Violation]:
    """Name by job and version what is lost, if who was told of it sees the number given again."""
    marks = {row.mark for row in account.evidence.archived}
    named = [row for row in account.evidence.archived if row.event["type"] == "events_lost"]
    kept: dict[tuple[str, str, str], list[Record]] = {}
    latest: dict[str, float] = {}
    acks = [one for one in acks_of(account.evidence) if one.id]
    for one in acks:
        if one.mark in marks:
            kept.setdefault(_told(one), []).append(one)
            latest[one.life] = max(one.at, latest.get(one.life, 0.0))
    for ack in acks:
        again = [
            one
            for one in kept.get(_told(ack), [])
            if one.at > ack.at and one.version <= ack.version
        ]
        # who did nothing more may have been killed in the middle
        if ack.mark in marks or not again or latest[ack.life] <= again[0].at:
            continue
        is_lost = any(one.place in account.lost_by for one in account.places.get(ack.mark, []))
        if is_lost and not any(_names(row, ack) for row in named):
            yield Violation("what is lost is named by job", ack.job, f"{ack}, again {again[0]}")


def what_is_named_was_lost(account: Account) -> Iterator[Violation]:
    """Find what is said to be lost, and no fault took."""
    lost: dict[tuple[str, tuple[int, int]], set[int]] = {}
    for place in account.lost_by:
        if one := account.evidence.seen.get(place):
            lost.setdefault((one.job, one.incarnation), set()).add(one.version)
    for row in account.evidence.archived:
        if row.event["type"] == "events_lost":
            life = row.job, entry_id(row.event["incarnation"])
            named = set(range(row.event["first"], row.event["last"] + 1))
            if not named & lost.get(life, set()) and not _unseen(account, row):
                yield Violation("what is named was lost", row.job, f"{row}")


def _unseen(account: Account, row: Seen) -> bool:
    """Say whether it may be of events that the tap had no time to see."""
    return any(loss.is_sudden and loss.levels for loss in account.evidence.losses) and bool(row)


def _told(record: Record) -> tuple[str, str, str]:
    """Name an incarnation of a job, and the process that was told of it."""
    return record.job, record.incarnation, record.life


def _names(row: Seen, ack: Record) -> bool:
    event = row.event
    return (event["job"], event["incarnation"]) == (ack.job, ack.incarnation) and (
        event["first"] <= ack.version <= event["last"]
    )
