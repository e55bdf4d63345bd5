"""Words: how names, times, durations and sizes are written for people. Pure."""

import json
from datetime import datetime
from itertools import pairwise
from typing import Any

from checkpoint.query.history.difference import Change
from checkpoint.query.listing.summary import JobSummary

VALUE_CHARACTERS = 60
UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def plain(text: str) -> str:
    """Write what cannot be printed as escapes: a name is whatever a pipeline or a stranger says."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def duration(seconds: float | None, *, is_measured: bool = True) -> str:
    """Write seconds as `350 ms`, `4.2 s`, `3m 05s` or `2h 10m`, with a ~ where it is a guess."""
    if seconds is None:
        return "-"
    about = "" if is_measured else "~"
    if seconds < 1:
        return f"{about}{seconds * 1000:.0f} ms"
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{about}{seconds:.1f} s"
    whole = round(seconds)
    for (name, size), (smaller, step) in pairwise(UNITS):
        if whole >= size:
            return f"{about}{whole // size}{name} {whole % size // step:02}{smaller}"
    return f"{about}{whole} s"


def took_of(milliseconds: int | None, *, is_measured: bool = True) -> str:
    """Write how many milliseconds something took, as `duration` does."""
    seconds = None if milliseconds is None else milliseconds / 1000
    return duration(seconds, is_measured=is_measured)


def failure_of(error: str | None, message: str | None) -> str:
    """Write what a failure was: its class and message, or nothing where there was none."""
    return f"{error}: {message}" if error else ""


def age(moment: datetime, now: datetime) -> str:
    """Write how long ago something was, in its greatest unit: `3m`, or `now`."""
    seconds = (now - moment).total_seconds()
    return next((f"{seconds // size:.0f}{name}" for name, size in UNITS if seconds >= size), "now")


def remaining(moment: datetime, now: datetime) -> str:
    """Write how long something is ahead, rounded: `in 24h`, or `now`."""
    seconds = (moment - now).total_seconds()
    name, size = next(((name, size) for name, size in UNITS if seconds >= size), ("", 0))
    return f"in {round(seconds / size)}{name}" if size else "now"


def size(count: int | None) -> str:
    """Write bytes as `312 B`, `4.2 kB` or `1.0 MB`."""
    if count is None:
        return "-"
    if count < 1000:  # noqa: PLR2004 - a kilobyte
        return f"{count} B"
    return f"{count / 1000:.1f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"  # noqa: PLR2004 - a megabyte


def times(count: int, what: str) -> str:
    """Write a number of things: `1 attempt`, `2 attempts`."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def when(moment: datetime) -> str:
    """Write a time to the second."""
    return f"{moment:%F %T} UTC"


def done(job: JobSummary) -> str:
    """Write how many stages are done, of how many if the pipeline is on record."""
    if job["status"] == "deleted":
        return "-"
    count, missing = len(job["completed_stages"]), len(job["remaining_stages"])
    declared = missing or job["status"] == "complete"
    return f"{count}/{count + missing}" if declared else str(count)


def change_line(part: Change) -> str:
    """Write one place where data differs."""
    match part["kind"]:
        case "added":
            return f"{part['path']}: + {value(part['after'])}"
        case "removed":
            return f"{part['path']}: - {value(part['before'])}"
        case _:
            return f"{part['path']}: {value(part['before'])} → {value(part['after'])}"


def value(data: Any) -> str:
    """Write a value as JSON, cut where it is long."""
    written = json.dumps(data, ensure_ascii=False)
    return written if len(written) <= VALUE_CHARACTERS else f"{written[: VALUE_CHARACTERS - 1]}…"
