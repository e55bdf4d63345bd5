"""An asyncio manager that blocks, so that one test serves both kinds of manager."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

from checkpoint import AsyncCheckpointManager


class Awaited:
    """An AsyncCheckpointManager whose verbs are awaited for the caller."""

    def __init__(
        self, *arguments: Any, manager: AsyncCheckpointManager | None = None, **more: Any
    ) -> None:
        self._runner = asyncio.Runner()
        self.manager = manager or AsyncCheckpointManager(*arguments, **more)

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        method = getattr(self.manager, verb)
        return lambda *arguments, **more: self._runner.run(method(*arguments, **more))

    @contextmanager
    def atomic_checkpoint(self, *arguments: Any, **more: Any) -> Iterator[Any]:
        block = self.manager.atomic_checkpoint(*arguments, **more)
        entered = [self._runner.run(block.__aenter__())]
        try:
            yield entered.pop()  # the block notices who keeps its dict
        except BaseException as error:
            if not self._runner.run(block.__aexit__(type(error), error, error.__traceback__)):
                raise
        else:
            self._runner.run(block.__aexit__(None, None, None))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._runner.close()
