"""Selections: the options that say which jobs a command means."""

import re
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

import click

from checkpoint.query.listing.jobs import STATUSES, JobFilter

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Duration(click.ParamType):
    """A number with a unit, as 90s, 10m, 2h or 3d; in seconds."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read a duration."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", str(value), re.ASCII)
        if not found:
            self.fail(f"{value!r} is not a number with a unit: 90s, 10m, 2h, 3d", param, ctx)
        return float(found[1]) * UNITS[found[2]]


_OPTIONS = (
    click.option(
        "--status",
        multiple=True,
        type=click.Choice(STATUSES),
        help="Jobs of this status; repeat it for more.",
    ),
    click.option("--name", help="Jobs with this text in their names, in capitals or not."),
    click.option("--pipeline", help="Jobs of this pipeline."),
    click.option("--stage", help="Jobs whose latest stage, completed or failed, is this one."),
    click.option("--idle", type=Duration(), help="Jobs without an event for so long: 10m, 2h, 3d."),
    click.option("--within", type=Duration(), help="Jobs with an event within so long."),
)


def selecting(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say which jobs it means; it gets them as `wanted`."""

    @wraps(command)
    def wrapper(
        *args: Any,
        status: Iterable[str],
        name: str | None,
        pipeline: str | None,
        stage: str | None,
        idle: float | None,
        within: float | None,
        **options: Any,
    ) -> Any:
        wanted = JobFilter(frozenset(status), pipeline, stage, idle, within, name)
        return command(*args, wanted=wanted, **options)

    for option in reversed(_OPTIONS):
        wrapper = option(wrapper)
    return wrapper
