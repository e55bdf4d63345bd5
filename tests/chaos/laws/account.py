"""The account of what was lost: which fault really took an entry, and what it excuses. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from chaos.evidence.facts import Evidence, Loss, Place, Seen, entry_id
from chaos.evidence.records import Record

SUDDEN_SECONDS = 0.3
"""How long before a sudden loss something may have been acknowledged that the tap did not see."""


class Excuse(NamedTuple):
    """Why an event that was acknowledged may be gone."""

    level: str
    """How it was acknowledged."""
    why: str
    at: float
    """When the fault took it, by the monotonic clock."""


@dataclass(frozen=True)
class Account:
    """Sets what the log had against what the archive has, fault by fault."""

    evidence: Evidence

    @cached_property
    def lost_by(self) -> dict[Place, Loss]:
        """Every entry that a fault took, with the first fault that did."""
        kept = {row.place for row in self.evidence.archived} | self.evidence.dead.keys()
        lost: dict[Place, Loss] = {}
        for loss in self.evidence.losses:
            for place in loss.before - loss.survived - kept:
                lost.setdefault(place, loss)
        return lost

    @cached_property
    def places(self) -> dict[str, list[Seen]]:
        """The entries of each mark."""
        marks: dict[str, list[Seen]] = {}
        for one in self.evidence.seen.values():
            marks.setdefault(one.mark, []).append(one)
        return marks

    @cached_property
    def _forged_versions(self) -> dict[tuple[str, tuple[int, int], int], float]:
        forged = (self.evidence.seen.get(place) for place in self.evidence.forged)
        return {(one.job, one.incarnation, one.version): one.at for one in forged if one}

    def is_named(self, place: Place) -> bool:
        """Say whether the system has put on record that an entry may be gone."""
        return any(
            gap.partition == place[0] and gap.after < place[1] < (gap.resumed_ms, 0)
            for gap in self.evidence.gaps
        )

    def excuse(self, ack: Record) -> Excuse | None:
        """Return why an acknowledged event that the archive lacks may be gone, if it may."""
        level = "log" if ack.level == "spooled" else ack.level
        entries = self.places.get(ack.mark, [])
        if ack.id:
            entries = [one for one in entries if one.id == entry_id(ack.id)]
        for one in entries:
            loss = self.lost_by.get(one.place)
            if loss and level in loss.levels and self.is_named(one.place):
                return Excuse(level, f"lost in the {loss.kind}", loss.begun)
            if level != "durable" and (at := self.version_taken(one)):
                return Excuse(level, "dead letters, for a forged entry took the version", at)
        return None if entries else self._sudden(ack, level)

    def version_taken(self, one: Seen) -> float | None:
        """Return when a forged entry took the version of an entry that is a dead letter now."""
        if one.place not in self.evidence.dead:
            return None
        return self._forged_versions.get((one.job, one.incarnation, one.version))

    def _sudden(self, ack: Record, level: str) -> Excuse | None:
        for loss in self.evidence.losses:
            is_close = loss.begun - SUDDEN_SECONDS < ack.at < loss.over
            if loss.is_sudden and is_close and level in loss.levels:
                return Excuse(level, f"lost, unseen, in the {loss.kind}", loss.begun)
        return None

    def courses(
        self, entries: Sequence[Seen], asked: float, answered: float
    ) -> Iterator[list[Seen]]:
        """Yield the courses of a job that an answer may have been given by.

        What a fault took before the question is in none; what one took meanwhile is in some.
        """
        taken = {one.place: self.lost_by[one.place] for one in entries if one.place in self.lost_by}
        maybe = {loss for loss in taken.values() if loss.begun < answered and loss.over > asked}
        gone = {place for place, loss in taken.items() if loss.over <= asked}
        yield [one for one in entries if one.place not in gone]
        for loss in sorted(maybe, key=lambda one: one.begun):
            gone |= {place for place, by in taken.items() if by == loss}
            yield [one for one in entries if one.place not in gone]
