"""A violation of a law, and what several laws ask of the evidence. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

from chaos.evidence.facts import Evidence, Seen
from chaos.evidence.records import Record


class Violation(NamedTuple):
    """A law that was broken."""

    law: str
    job: str
    evidence: str


def acks_of(evidence: Evidence) -> list[Record]:
    """Return the acknowledgements of events; that of a deletion does not say which event it is."""
    known = (one for one in evidence.records if one.what == "ack")
    return [one for one in known if one.id or one.level == "spooled"]


def by_job(entries: Iterable[Seen]) -> dict[str, list[Seen]]:
    """Group entries by job, in the order of the log."""
    jobs: dict[str, list[Seen]] = {}
    for entry in sorted(entries, key=lambda one: one.id):
        jobs.setdefault(entry.job, []).append(entry)
    return jobs


def forged_jobs(evidence: Evidence) -> frozenset[str]:
    """Return the jobs to which somebody else appended: of these only what is durable is judged."""
    forged = (evidence.seen.get(place) for place in evidence.forged)
    return frozenset(one.job for one in forged if one)
