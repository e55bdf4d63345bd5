"""Undisturbed: what it changes of the process is as it was afterwards."""

import gc
import sys
from collections.abc import Iterator

import pytest

from checkpoint.query.undisturbed import undisturbed


@pytest.fixture
def collecting() -> Iterator[None]:
    """Leave the collector switched on, whatever a test does."""
    yield
    gc.enable()


@pytest.mark.usefixtures("collecting")
@pytest.mark.parametrize("collects", [True, False])
def test_the_process_is_as_it_was_afterwards(collects: bool) -> None:
    interval = sys.getswitchinterval()
    (gc.enable if collects else gc.disable)()
    with undisturbed():
        assert not gc.isenabled()
    assert gc.isenabled() is collects
    assert sys.getswitchinterval() == interval
