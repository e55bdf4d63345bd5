"""Rows of the table: what is to be reached, what was measured, and whether it is reached."""

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import asdict

TWO = 2
"""Values at least, for quartiles."""


class Limit(Struct, frozen=True):
    """What a figure has to reach: at most so much, or at least."""

    value: float
    at_least: bool = False

    def is_met(self, figure: float) -> bool:
        """Say whether a figure reaches it."""
        return figure >= self.value if self.at_least else figure <= self.value

    def __str__(self) -> str:
        """Write it as the table does."""
        return f"{'≥' if self.at_least else '≤'} {self.value:,g}"


class Spread(NamedTuple):
    """The quartiles of a figure over the rounds."""

    low: float
    middle: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Take the quartiles; one value alone has no spread."""
        if len(values) < TWO:
            return cls(values[0], values[0], values[0])
        return cls(*statistics.quantiles(values, method="inclusive"))

    def decides(self, limit: Limit) -> bool:
        """Say whether the interquartile range is smaller than the margin to a limit."""
        return self.high - self.low < abs(self.middle - limit.value)


class Subject(Struct, frozen=True):
    """What a row is about."""

    number: int
    """Of the ratio, 1 to 10."""
    key: str
    """Names the row in reasons.toml."""
    what: str
    beside: str
    """What it is compared with; "" where the figure itself is judged."""
    unit: str
    limit: Limit | None
    """None: for information."""


class Row(Subject, frozen=True, kw_only=True):
    """One line of the table. Figures are medians over the rounds, in `unit`."""

    size: str = ""
    """At which size it was measured, and how."""
    ours: float | None = None
    theirs: float | None = None
    judged: Spread | None = None
    """The ratio ours / theirs, or where there is nothing beside it, the figure."""
    rounds: int = 0
    met: bool | None = None
    sure: bool = False
    """The spread is smaller than the margin that it decides; one round alone has none."""
    missing: str = ""
    """Why it was not measured."""
    reason: str = ""
    """Why it does not reach its limit, as profiling found."""


class Aim(Subject, frozen=True):
    """What a row is to show, before it is measured."""

    def row(
        self,
        size: str,
        ours: Sequence[float],
        theirs: Sequence[float] | None = None,
        overall: float | None = None,
    ) -> Row:
        """Make the row of what the rounds came to; `overall` is judged instead of their median."""
        ratios = [one / other for one, other in zip(ours, theirs, strict=True)] if theirs else ours
        judged = Spread.of(ratios)
        if overall is not None:
            judged = judged._replace(middle=overall)
        limit = self.limit
        return Row(
            **asdict(self),
            size=size,
            ours=statistics.median(ours) if overall is None else overall,
            theirs=statistics.median(theirs) if theirs else None,
            judged=judged,
            rounds=len(ours),
            met=limit.is_met(judged.middle) if limit else None,
            sure=judged.decides(limit) and len(ours) > 1 if limit else False,
        )

    def missing(self, why: str) -> Row:
        """Make the row of what could not be measured."""
        return Row(**asdict(self), missing=why)


def at_most(value: float) -> Limit:
    """Make an upper limit."""
    return Limit(value)


def at_least(value: float) -> Limit:
    """Make a lower limit."""
    return Limit(value, at_least=True)
