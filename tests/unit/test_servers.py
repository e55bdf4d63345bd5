"""Servers: how steps are carried out, where no server is asked."""

import pytest

from checkpoint.events.settings import Settings
from checkpoint.events.steps import AskSpool, Steps
from checkpoint.servers import Servers


def asking() -> Steps[str]:
    yield AskSpool(lambda: next(iter(())))
    return "done"


def test_a_step_that_stops_an_iteration_is_not_the_end_of_the_steps() -> None:
    with pytest.raises(StopIteration):
        Servers(Settings()).run(asking())
