"""The pictures that the documentation shows: what each ratio comes to, and the peers."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from .chart import Bar, bars
from .contest import UNITS, Standing
from .report import Results, plain
from .row import Row

TITLES = {
    "save": "A save, median",
    "lookup": "A resume point of eight stages, median",
    "ingest": "Bulk ingest",
    "replay": "Replay, decoded",
    "bytes": "Bytes per event",
}
LESS_IS_BETTER = {"save", "lookup", "bytes"}


def draw(results: Results, folder: Path) -> list[Path]:
    """Write `bench-*.svg` into a folder; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {"ratios": _ratios(results.rows), **dict(_contests(results.contenders))}
    files = []
    for name, text in drawn.items():
        files.append(folder / f"bench-{name}.svg")
        files[-1].write_text(text, encoding="utf-8")
    return files


def _ratios(rows: Sequence[Row]) -> str:
    note = "as a share of what is wanted: right of the line is better; whiskers are quartiles"
    return bars("The ratios", note, list(_ratio_bars(rows)), mark=1.0)


def _ratio_bars(rows: Sequence[Row]) -> Iterator[Bar]:
    for row in rows:
        if row.limit is None or row.judged is None or min(row.judged) <= 0:
            continue
        limit, up = row.limit.value, row.limit.at_least
        low, middle, high = (value / limit if up else limit / value for value in row.judged)
        text = f"{plain(row.judged.middle)}, wanted {row.limit}"
        kind = "ours" if row.met else "short"
        yield Bar(f"{row.number}. {_shortened(row.what)}", middle, low, high, text, kind)


def _contests(contenders: Sequence[Standing]) -> Iterator[tuple[str, str]]:
    for verb, title in TITLES.items():
        shown = [
            Bar(
                f"{one.name}{', fsynced' if one.durable else ''}",
                spread.middle,
                spread.low,
                spread.high,
                f"{plain(spread.middle)} {UNITS[verb]}",
                "ours" if one.name.startswith("checkpoint") else "other",
            )
            for one in contenders
            if (spread := one.figures.get(verb))
        ]
        if shown:
            better = "shorter" if verb in LESS_IS_BETTER else "longer"
            yield (
                verb,
                bars(title, f"{better} is better; logarithmic; whiskers are quartiles", shown),
            )


def _shortened(text: str, most: int = 44) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
