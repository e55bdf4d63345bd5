"""The course of a job: what its entries add up to, by a fold of our own. Pure."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from chaos.evidence.facts import EntryName, Seen

Stages = dict[str, str]


class State(NamedTuple):
    """A job after some of its entries."""

    incarnation: EntryName = (0, 0)
    deleted: bool = False
    stages: Stages = {}  # noqa: RUF012 - never changed
    """The mark of every completed stage."""


def after(state: State, entry: Seen) -> State:
    """Apply an entry."""
    if entry.incarnation != state.incarnation:
        state = State(entry.incarnation)
    event = entry.event
    match event["type"]:
        case "job_deleted":
            return state._replace(deleted=True, stages={})
        case "job_rewound":
            kept = {one: mark for one, mark in state.stages.items() if one not in event["stages"]}
            return state._replace(stages=kept)
        case "stage_completed" if not state.deleted:
            return state._replace(stages={**state.stages, event["stage"]: entry.mark})
    return state


def states(entries: Iterable[Seen]) -> Iterator[State]:
    """Yield what the job is before its first entry and after each."""
    state = State()
    yield state
    for entry in entries:
        state = after(state, entry)
        yield state


def stages_after(entries: Iterable[Seen]) -> Stages:
    """Return the stages that are completed after a job's entries."""
    *_, last = states(entries)
    return last.stages
