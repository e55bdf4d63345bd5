import inspect
import pickle
import subprocess
import sys

import pytest

import checkpoint
from checkpoint.events import errors
from checkpoint.events.errors import CheckpointError, LogNotReady, LogUnavailable

ERRORS = [
    error
    for _, error in inspect.getmembers(errors, inspect.isclass)
    if error.__module__ == errors.__name__
]


@pytest.mark.parametrize("error", ERRORS)
def test_all_errors_are_of_one_tree_and_say_what_they_mean(error: type[CheckpointError]) -> None:
    assert issubclass(error, CheckpointError)
    assert error.__doc__
    first = error.__doc__.strip().splitlines()[0]
    assert str(error()) == first
    assert str(error("another message")) == "another message"


def test_every_error_can_be_imported_from_the_package() -> None:
    exported = {getattr(checkpoint, name) for name in checkpoint.__all__}
    assert [error for error in ERRORS if error not in exported] == []


def test_what_the_package_exports_is_there_and_sorted() -> None:
    assert checkpoint.__all__ == sorted(checkpoint.__all__)
    assert all(hasattr(checkpoint, name) for name in checkpoint.__all__)


def test_the_default_message_is_the_docstrings_first_line_only() -> None:
    class Odd(CheckpointError):
        """What went wrong.

        And more about it.
        """

    assert str(Odd()) == "What went wrong."


def test_an_error_survives_being_sent_to_another_process() -> None:
    back = pickle.loads(pickle.dumps(LogNotReady("no log here")))  # noqa: S301 - our own bytes
    assert (type(back), str(back)) == (LogNotReady, "no log here")


def test_an_outage_tells_another_process_too_that_it_needs_another_connection() -> None:
    error = LogUnavailable("a replica", reconnect=True)
    back = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (str(back), back.reconnect) == ("a replica", True)


def test_no_message_is_empty_without_docstrings() -> None:
    say = "from checkpoint.events.errors import ScriptUnknown; print(ScriptUnknown())"
    done = subprocess.run(
        [sys.executable, "-OO", "-c", say], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "ScriptUnknown"
