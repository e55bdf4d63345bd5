"""After a fork, a child has its parent's objects: their connections, locks and event loop.

What holds any of these is kept here, and made anew in the child before it runs.
"""

import os
from typing import Protocol
from weakref import WeakSet


class Forkable(Protocol):
    """An object that a forked child may use as its own."""

    def after_fork(self) -> None:
        """Make anew what is the parent's; runs in the child, whose only thread this is."""


_alive: WeakSet[Forkable] = WeakSet()


def make_anew_after_fork(one: Forkable) -> None:
    """Call `after_fork` in every child that is forked while the object lives."""
    _alive.add(one)


def _after_fork() -> None:
    for one in list(_alive):
        one.after_fork()


if hasattr(os, "register_at_fork"):  # where there is no fork, there is no child
    os.register_at_fork(after_in_child=_after_fork)
