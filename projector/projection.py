"""Projection: what a slice of the log does to the states of its jobs. Pure."""

from collections.abc import Iterable, Mapping

from checkpoint.events.entry import Entry

from .change import Change
from .fold import NOTHING, JobState, fold


def by_job(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Group entries by their jobs, in the order of the log."""
    jobs: dict[str, list[Entry]] = {}
    for entry in entries:
        jobs.setdefault(entry.event.job, []).append(entry)
    return jobs


def project(states: Mapping[str, JobState], jobs: Mapping[str, list[Entry]]) -> dict[str, Change]:
    """Fold each job's entries onto its state.

    A state that lacks entries (its view was lost) is not folded on, which would make a view that
    looks whole and is not: it becomes NOTHING until the next incarnation, and lookups do without.
    """
    return {
        job: Change(states[job], _follow(states[job], entries)) for job, entries in jobs.items()
    }


def _follow(state: JobState, entries: Iterable[Entry]) -> JobState:
    for entry in entries:
        if entry.id <= state.id:
            continue
        follows = entry.incarnation == state.incarnation and entry.version == state.version + 1
        state = fold(state, entry) if follows or entry.version == 1 else NOTHING
    return state
