"""What all commands share: how errors are told, and how steps are run."""

from collections.abc import Callable
from contextlib import closing
from functools import wraps
from typing import Any, TypeVar

import click

from checkpoint.events.errors import CheckpointError
from checkpoint.events.freshness import Place
from checkpoint.events.settings import Settings
from checkpoint.events.steps import Steps
from checkpoint.query.listing.place import find_place
from checkpoint.servers import Servers

from .words import plain

T = TypeVar("T")

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def reported(function: Callable[..., Any]) -> Callable[..., Any]:
    """Turn this system's errors into a line on stderr and exit code 1."""

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except CheckpointError as error:
            raise click.ClickException(plain(" ".join(str(error).split()))) from error

    return wrapper


def run(settings: Settings, steps: Steps[T]) -> T:
    """Carry out steps with connections of their own."""
    with closing(Servers(settings)) as servers:
        return servers.run(steps)


def look(question: Callable[[Place], Steps[T]]) -> T:
    """Ask a log that is there: who looks creates none. LogNotReady where there is none."""
    settings = Settings.from_env()
    return run(settings, looking(settings, question))


def looking(settings: Settings, question: Callable[[Place], Steps[T]]) -> Steps[T]:
    """Find the log that settings name, and ask it; LogNotReady where there is none."""
    return (yield from question((yield from place_of(settings))))


def place_of(settings: Settings) -> Steps[Place]:
    """Find the log that settings name; LogNotReady where there is none."""
    return find_place(settings.namespace, has_archive=settings.postgres_url is not None)
