"""What all commands share: how errors are told, and how steps are run."""

from collections.abc import Callable
from contextlib import closing
from functools import wraps
from typing import Any, TypeVar

import click

from checkpoint.events.errors import CheckpointError
from checkpoint.events.settings import Settings
from checkpoint.events.steps import Steps
from checkpoint.servers import Servers

T = TypeVar("T")

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def reported(function: Callable[..., Any]) -> Callable[..., Any]:
    """Turn this system's errors into a line on stderr and exit code 1."""

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except CheckpointError as error:
            raise click.ClickException(str(error)) from error

    return wrapper


def run(settings: Settings, steps: Steps[T]) -> T:
    """Carry out steps with connections of their own."""
    with closing(Servers(settings)) as servers:
        return servers.run(steps)
