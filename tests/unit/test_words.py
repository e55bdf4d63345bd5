"""How names, times, durations and sizes are written."""

from datetime import UTC, datetime, timedelta

import pytest

from checkpoint.commands.words import age, change_line, duration, plain, remaining, size, value

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("ünïcode/🎬", "ünïcode/🎬"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("two\nlines", "two\\nlines"),
        ("\u202eright to left", "\\u202eright to left"),
        ("\x9b31m", "\\x9b31m"),
    ],
)
def test_what_cannot_be_printed_is_shown_as_an_escape(text: str, written: str) -> None:
    assert plain(text) == written
    assert plain(text).isprintable()


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (None, "-"),
        (0.0, "0 ms"),
        (0.35, "350 ms"),
        (4.25, "4.2 s"),
        (59.0, "59.0 s"),
        (65, "1m 05s"),
        (7800, "2h 10m"),
        (90_000, "1d 01h"),
    ],
)
def test_durations(seconds: float | None, written: str) -> None:
    assert duration(seconds) == written


def test_a_duration_that_is_a_guess_is_marked() -> None:
    assert duration(3.0, is_measured=False) == "~3.0 s"
    assert duration(None, is_measured=False) == "-"


@pytest.mark.parametrize(
    ("seconds", "written"), [(-5, "now"), (0.5, "now"), (59, "59s"), (3600, "1h"), (90_000, "1d")]
)
def test_ages(seconds: float, written: str) -> None:
    assert age(NOW - timedelta(seconds=seconds), NOW) == written


def test_what_lies_ahead() -> None:
    assert remaining(NOW + timedelta(hours=23), NOW) == "in 23h"
    assert remaining(NOW + timedelta(hours=23, minutes=59, seconds=58), NOW) == "in 24h"
    assert remaining(NOW - timedelta(hours=23), NOW) == "now"


@pytest.mark.parametrize(
    ("count", "written"),
    [(None, "-"), (0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2_000_000, "2.0 MB")],
)
def test_sizes(count: int | None, written: str) -> None:
    assert size(count) == written


def test_long_values_are_cut() -> None:
    assert value({"a": "ü"}) == '{"a": "ü"}'
    assert len(value("x" * 1000)) == 60
    line = change_line({"path": "$.a", "kind": "changed", "before": 1, "after": "x" * 99})
    assert line.startswith('$.a: 1 → "xxx')
    assert line.endswith("…")
