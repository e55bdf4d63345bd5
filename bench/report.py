"""The report: everything that a run found, as one JSON document and as one table."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from .contest import UNITS, VERBS, Standing
from .micro import Micro
from .row import Row, Spread

TIE = 1.5
"""Below this factor two figures of different libraries are a tie: the machine drifts so much."""


class Results(Struct, kw_only=True):
    """What a run found."""

    plan: str
    began: str
    """ISO 8601, UTC."""
    seconds: float
    machine: dict[str, str]
    versions: dict[str, str]
    rows: list[Row]
    contenders: list[Standing]
    micro: list[Micro]


def table(results: Results) -> str:
    """Write all of it in Markdown."""
    return "\n".join(_lines(results)) + "\n"


def _lines(results: Results) -> Iterator[str]:
    yield f"# Benchmarks, {results.plan}, {results.began}, {results.seconds:.0f} s"
    yield ""
    yield "## Ratios"
    yield ""
    yield from ratio_lines(results.rows)
    yield ""
    yield "## The product, its raw limits and its peers"
    yield ""
    yield from contender_lines(results.contenders)
    yield ""
    yield "## Hot functions"
    yield ""
    yield from _micro_lines(results.micro)
    yield ""
    yield "## Machine and versions"
    yield ""
    yield from _grid(("", ""), [*results.machine.items(), *results.versions.items()])


def ratio_lines(rows: Sequence[Row]) -> Iterator[str]:
    """Write the rows: the judged figure with its quartiles, its limit, whether it is reached."""
    head = ("", "what", "beside", "ours", "theirs", "ratio or figure", "quartiles", "wanted")
    lines = [
        (
            str(row.number),
            row.what,
            row.beside or "-",
            figure(row.ours, row.unit),
            figure(row.theirs, row.unit),
            plain(row.judged.middle) if row.judged else "-",
            f"{plain(row.judged.low)} to {plain(row.judged.high)}, {row.rounds} x"
            if row.judged
            else "-",
            str(row.limit or "-"),
            verdict(row),
            ". ".join(part for part in (row.size, row.missing, row.reason) if part),
        )
        for row in rows
    ]
    yield from _grid((*head, "reached", "how it was measured; why it falls short"), lines)


def verdict(row: Row) -> str:
    """Say whether a row reaches its limit, and whether that is sure."""
    if row.missing:
        return "not measured"
    if row.met is None:
        return "for information"
    doubt = ", within the spread" if row.rounds > 1 else ", one round"
    return ("yes" if row.met else "**no**") + ("" if row.sure else doubt)


def contender_lines(contenders: Sequence[Standing]) -> Iterator[str]:
    """Write who was measured, the durable apart from the others, with the factor to ours."""
    head = ("", "version", *(f"{verb}, {UNITS[verb]}" for verb in VERBS))
    for durable, title in (
        (False, "In Redis, fsynced every second"),
        (True, "Fsynced by Postgres"),
    ):
        some = [one for one in contenders if one.durable == durable]
        ours = next((one for one in some if one.name.startswith("checkpoint")), None)
        yield f"{title}; the factor is theirs / ours:"
        yield ""
        yield from _grid(head, [_contender(one, ours) for one in some])
        yield ""
    missing = [
        f"- {one.name}{f', {verb}' if verb else ''}: {why}"
        for one in contenders
        for verb, why in one.missing.items()
    ]
    yield "No figure:" if missing else "Everybody took part."
    yield ""
    yield from missing


def _contender(one: Standing, ours: Standing | None) -> Sequence[str]:
    cells = [_factored(one.figures.get(verb), verb, one, ours) for verb in VERBS]
    return (one.name, one.version, *cells)


def _factored(spread: Spread | None, verb: str, one: Standing, ours: Standing | None) -> str:
    if spread is None:
        return "-"
    beside = ours.figures.get(verb) if ours and ours is not one else None
    if beside is None:
        return plain(spread.middle)
    factor = spread.middle / beside.middle
    tie = ", a tie" if 1 / TIE < factor < TIE else ""
    return f"{plain(spread.middle)} ({factor:.2f} x{tie})"


def _micro_lines(micro: Sequence[Micro]) -> Iterator[str]:
    lines = [
        (
            one.function,
            f"{one.micros:.2f}",
            f"{one.instructions / 1000:.1f}" if one.instructions else "-",
            one.note,
        )
        for one in micro
    ]
    yield from _grid(("one call of", "µs", "thousand instructions", ""), lines)


def figure(value: float | None, unit: str) -> str:
    """Write a figure with its unit."""
    return "-" if value is None else f"{plain(value)} {unit}"


def plain(value: float) -> str:
    """Write a number with three digits, or all of those before the point."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2  # noqa: PLR2004 - as said
    return f"{value:,.{digits}f}"


def _grid(head: Sequence[str], lines: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"| {' | '.join('---' for _ in head)} |"
    for line in lines:
        yield f"| {' | '.join(cell.replace('|', '/') for cell in line)} |"
