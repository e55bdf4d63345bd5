"""Moments: times as they are given on the command line."""

import time
from datetime import UTC, datetime
from typing import Any

import click

from .selection import Duration


class Moment(click.ParamType):
    """A time in ISO 8601, in UTC unless it says otherwise, or so long ago: 10m, 2h, 3d.

    In milliseconds since 1970.
    """

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read a time."""
        if isinstance(value, int):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return self._ago(value, param, ctx)
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)

    def _ago(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return round((time.time() - Duration().convert(value, None, None)) * 1000)
        except click.BadParameter:
            self.fail(
                f"{value!r} is no time in ISO 8601 (2026-01-31T12:00:00Z) and no age (10m, 2h, 3d)",
                param,
                ctx,
            )
