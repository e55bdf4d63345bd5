"""Acting on one job, or on all that a filter wants: planned, shown if it is for many, done."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, NamedTuple, TypeVar

import click

from checkpoint.core import Core
from checkpoint.events.errors import (
    IncarnationEnded,
    JobClaimed,
    JobNotLive,
    PayloadTooLarge,
    UnknownStage,
    VersionConflict,
)
from checkpoint.events.freshness import Place
from checkpoint.events.settings import Settings
from checkpoint.events.steps import Steps
from checkpoint.query.listing.jobs import ALL, LIVE_STATUSES, JobFilter, JobPage, list_jobs
from checkpoint.query.listing.sources import LogAndArchive
from checkpoint.query.pipeline import OPEN
from checkpoint.servers import Servers

from .progress import looking_back
from .reporting import place_of
from .selection import selecting
from .terminal import confirm, note
from .terminal import tell as tell_line
from .words import times

T = TypeVar("T")

LIVE = frozenset(LIVE_STATUSES)
JOBS_AT_ONCE = 200
REFUSALS = (
    IncarnationEnded,
    JobClaimed,
    JobNotLive,
    PayloadTooLarge,
    UnknownStage,
    VersionConflict,
)
"""What concerns one job only, so that the others' turn comes all the same."""

NOT_MEANT = (JobNotLive, UnknownStage)
"""What makes a job none of those that a command in bulk means."""


class Plan(NamedTuple):
    """What is to be done to a job, and the steps that do it; None where there is nothing to do."""

    what: str
    act: Callable[[], Steps[Any]] | None


Planner = Callable[[Core, str], Steps[Plan]]
Plans = Iterable[tuple[str, Plan]]


@dataclass(frozen=True, slots=True)
class Targets:
    """Which jobs a command acts on, and how."""

    names: Sequence[str]
    """The words that the command was given."""
    wanted: JobFilter
    in_bulk: bool
    dry_run: bool
    yes: bool

    def split(self, usage: str, rest: int) -> tuple[Sequence[str], Sequence[str]]:
        """Split the words into jobs (one, or none in bulk) and so many others; UsageError."""
        jobs = 0 if self.in_bulk else 1
        if len(self.names) != jobs + rest:
            raise click.UsageError(f"Expected {usage}")
        self._check()
        return self.names[:jobs], self.names[jobs:]

    def jobs(self, usage: str) -> Sequence[str]:
        """Take the words for jobs, at least one, or none in bulk; UsageError."""
        if bool(self.names) == self.in_bulk:
            raise click.UsageError(f"Expected {usage}")
        self._check()
        return list(dict.fromkeys(self.names))

    def _check(self) -> None:
        if self.wanted != ALL and not self.in_bulk:
            raise click.UsageError("Options that say which jobs go with --all")

    def act(self, jobs: Sequence[str], planner: Planner, *, asks: bool = False) -> None:
        """Carry out the plans for the jobs; exit with 1 if one was refused.

        In bulk, or if it `asks` in any case, they are shown first, and somebody has to agree.
        """
        settings = Settings.from_env()
        with closing(Servers(settings)) as servers:
            place = servers.run(place_of(settings))
            if self.in_bulk:
                wanted = replace(self.wanted, statuses=self.wanted.statuses or LIVE)
                jobs = [job for page in _pages(servers, place, wanted) for job in page]
                note("" if jobs or self.dry_run else "no such jobs")
            actor = Actor(servers, Core.of(settings, OPEN), planner, in_bulk=self.in_bulk)
            plans: Plans = actor.plans(jobs)
            if self.dry_run or ((self.in_bulk or asks) and not self.yes):
                plans = list(_shown(plans))
                actor.tell_left_out()
            if self._is_meant(plans):
                actor.carry_out(plans)
            actor.tell_left_out()
        sys.exit(1 if actor.refused else 0)

    def _is_meant(self, plans: Plans) -> bool:
        """Say if the plans are to be carried out; ask, if they were shown for that."""
        if not isinstance(plans, list):
            return True
        jobs = times(sum(plan.act is not None for _, plan in plans), "job")
        if self.dry_run:
            note(f"A dry run: {jobs} would be changed")
            return False
        if jobs != times(0, "job"):
            confirm(f"Do this to {jobs}?")
        return True


@dataclass(slots=True)
class Actor:
    """Plans and acts, job by job, and counts those that refused."""

    servers: Servers
    core: Core
    planner: Planner
    in_bulk: bool
    refused: int = 0
    left_out: int = 0

    def plans(self, jobs: Iterable[str]) -> Iterator[tuple[str, Plan]]:
        """Plan for each job that does not refuse."""
        for job in jobs:
            if plan := self._attempt(self.planner(self.core, job)):
                yield job, plan

    def carry_out(self, plans: Plans) -> None:
        """Act, and say what was done to each job."""
        for job, plan in plans:
            if plan.act is None or self._attempt(plan.act()) is not None:
                _tell(job, plan)

    def tell_left_out(self) -> None:
        """Say how many jobs were left out, once."""
        if self.left_out:
            note(f"{times(self.left_out, 'job')} left out: not live, or without such a stage")
        self.left_out = 0

    def _attempt(self, steps: Steps[T]) -> T | None:
        try:
            return self.servers.run(steps)
        except REFUSALS as error:
            if self.in_bulk and isinstance(error, NOT_MEANT):
                self.left_out += 1
                return None
            self.refused += 1
            note(f"Error: {error}")
            return None


def holder_of(core: Core, job: str) -> Steps[str]:
    """Say who holds a job, "" for nobody."""
    place = core.place((yield from core.open()))
    return (yield from LogAndArchive(place, {}).look_up([job]))[job].owner


def acting(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command what all have that act on one job or in bulk; it gets them as `targets`."""

    @wraps(command)
    def wrapper(
        *,
        names: Sequence[str],
        wanted: JobFilter,
        in_bulk: bool,
        dry_run: bool,
        yes: bool,
        **options: Any,
    ) -> Any:
        targets = Targets(names, wanted, in_bulk, dry_run, yes)
        return command(targets=targets, **options)

    decorated: Callable[..., Any] = wrapper
    for option in (
        click.option("--yes", is_flag=True, help="Do not ask."),
        click.option("--dry-run", is_flag=True, help="Only say what would be done."),
        selecting,
        click.option(
            "--all",
            "in_bulk",
            is_flag=True,
            help="All live jobs, or only those that the options below mean.",
        ),
    ):
        decorated = option(decorated)
    return decorated


def _shown(plans: Plans) -> Iterator[tuple[str, Plan]]:
    for job, plan in plans:
        _tell(job, plan)
        yield job, plan


def _tell(job: str, plan: Plan) -> None:
    tell_line(f"{job}: {plan.what}")


def _pages(servers: Servers, place: Place, wanted: JobFilter) -> Iterator[list[str]]:
    before = None
    while True:
        with looking_back() as tell:
            steps = list_jobs(place, wanted, before=before, limit=JOBS_AT_ONCE, tell=tell)
            page: JobPage = servers.run(steps)
        note(page.note)
        yield [job["job_id"] for job in page.jobs]
        if (before := page.next) is None:
            return
