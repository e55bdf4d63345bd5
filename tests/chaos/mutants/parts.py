"""Broken parts: scripts, the fold, the naming of losses, workers."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

AFTER_SECONDS = 6.0


def _edit_script(name: str, old: str, new: str) -> None:
    """Let a Lua script be read with one thing changed."""
    read = Path.read_text

    def edited(self: Path, *args: Any, **options: Any) -> str:
        text = read(self, *args, **options)
        if self.name != name:
            return text
        if old not in text:
            raise LookupError(f"{name} has no {old!r} any more: mend the mutant")
        return text.replace(old, new, 1)

    Path.read_text = edited  # type: ignore[method-assign]


def _replace(module: str, name: str, change: Callable[[Any], Any]) -> None:
    """Replace a function before anything imports it."""
    home = import_module(module)
    setattr(home, name, change(getattr(home, name)))


def _forget_stage(fold: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def forgetful(state: Any, entry: Any) -> Any:
        after = fold(state, entry)
        if getattr(entry.event, "stage", "") != "stage-2" or not hasattr(after, "checkpoints"):
            return after
        kept = {name: one for name, one in after.checkpoints.items() if name != "stage-2"}
        return import_module("msgspec").structs.replace(after, checkpoints=kept)

    return forgetful


def _drop_events() -> None:
    if "projector" in sys.argv:
        _replace("checkpoint.projector.fold", "fold", _forget_stage)


def _name_nothing() -> None:
    def nothing(*_: Any) -> Iterator[Any]:
        return iter(())

    _replace("checkpoint.losses", "name_losses", lambda _: nothing)


def _later(worker: str, number: signal.Signals) -> None:
    """Let a kind of worker be hit by a signal of its own."""
    if worker in sys.argv:
        timer = threading.Timer(AFTER_SECONDS, os.kill, [os.getpid(), number])
        timer.daemon = True
        timer.start()


LOST = '"type":"events_lost","incarnation":"1-1","first":1,"last":1'

PARTS: dict[str, Callable[[], None]] = {
    "accept stale tokens": partial(
        _edit_script, "append.lua", "if token ~= job.token then", "if false then"
    ),
    "forget calls": partial(
        _edit_script,
        "append.lua",
        "(again or f[9]) and appended_before",
        "false and appended_before",
    ),
    "skip a version": partial(
        _edit_script,
        "append.lua",
        "local version = job.version + 1",
        "local version = job.version + (job.version == 3 and 2 or 1)",
    ),
    "delete before writing": partial(
        _edit_script,
        "append.lua",
        "local meta = ",
        "redis.call('DEL', KEYS[3] .. '?')\nlocal meta = ",
    ),
    "name what was not lost": partial(
        _edit_script,
        "append.lua",
        "'event', event,",
        f"""'event', (string.gsub(event, '"type":"job_released"', '{LOST}')),""",
    ),
    "drop events in the fold": _drop_events,
    "name no loss": _name_nothing,
    "die": partial(_later, "projector", signal.SIGKILL),
    "get stuck": partial(_later, "snapshotter", signal.SIGSTOP),
}
