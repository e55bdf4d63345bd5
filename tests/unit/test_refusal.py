"""Refusals: no part of a password gets into an error, however libpq reads the URL."""

import traceback

import pytest

from checkpoint.events.errors import ArchiveUnavailable
from checkpoint.snapshotter.archive import Archive


def failure(conninfo: str) -> str:
    with pytest.raises(ArchiveUnavailable) as caught:
        Archive(conninfo, "checkpoint", timeout=1).log()
    return "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "conninfo",
    [
        "postgresql://me:a@CANARY@127.0.0.1:1/film",
        "postgresql://me:a@CANARY/b@127.0.0.1:1/film",
        "postgresql://me:a@CANARY#b@127.0.0.1:1/film",
        "postgresql://me:a@b@CANARY..c@127.0.0.1:1/film",
        "postgresql://me:a/CANARY@127.0.0.1:1/film",
        "postgresql://127.0.0.1:1/CANARY@127.0.0.1:1/film",
        "postgresql://me@corp.invalid:CANARY@127.0.0.1:1/film",
        f"postgresql://me:a@{'x' * 70}CANARY@127.0.0.1:1/film",
    ],
)
def test_a_password_that_libpq_takes_for_something_else_is_not_repeated(conninfo: str) -> None:
    said = failure(conninfo)
    assert "CANARY" not in said
    assert "write it as %40" in said


def test_what_libpq_says_of_a_url_it_reads_well_is_repeated() -> None:
    assert "Connection refused" in failure("postgresql://me:a%40CANARY@127.0.0.1:1/film")
