"""Broken managers: what a caller hears is not what it should. By the public interface alone."""

import random
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import redis

from checkpoint import Appended, CheckpointError, CheckpointManager, LogUnavailable, Settings

Change = Callable[[], None]
Method = Any
"""A bound method, as a partial of the unbound one."""

RARELY, OFTEN = 0.02, 0.2
NOWHERE = "redis://127.0.0.1:1/0"


def _wrap(name: str, wrapper: Callable[..., Any]) -> None:
    """Let `wrapper` be called in place of a method, with the method and its arguments."""
    original = getattr(CheckpointManager, name)

    def wrapped(self: CheckpointManager, *args: Any, **options: Any) -> Any:
        return wrapper(partial(original, self), *args, **options)

    setattr(CheckpointManager, name, wrapped)


def _drawn(share: float) -> bool:
    return random.random() < share  # noqa: S311 - no secret


def _believe_the_archive() -> None:
    """Answer from the archive whatever it has."""
    away: list[CheckpointManager] = []

    def from_archive(method: Method, job: str) -> Any:
        if not away:
            settings = replace(Settings.from_env(), redis_url=NOWHERE, timeout=0.3)
            away.append(CheckpointManager(settings))
        try:
            return method.func(away[0], job)
        except CheckpointError:
            return method(job)

    _wrap("get_resume_point", from_archive)


def _say_nothing() -> None:
    """Say now and then that there is nothing, as if Redis could not be asked."""

    def nothing(method: Method, job: str) -> Any:
        return None if _drawn(OFTEN) else method(job)

    _wrap("get_resume_point", nothing)


def _answer_again() -> None:
    """Repeat what was answered of the job before, as if Redis said so."""
    answers: dict[str, Any] = {}

    def again(method: Method, job: str) -> Any:
        return answers.setdefault(job, method(job))

    _wrap("get_job_progress", again)


def _mix_up_replies() -> None:
    """Give a caller what another one asked for."""
    last: list[Any] = []

    def kept(method: Method, job: str) -> Any:
        answer = method(job)
        if answer and _drawn(OFTEN):
            last[:] = [answer]
        return last[0] if last and _drawn(OFTEN) else answer

    _wrap("get_resume_point", kept)


def _retry_for_ever() -> None:
    """Go on when the deadline has passed."""

    def patiently(method: Method, *args: Any, **options: Any) -> Any:
        try:
            return method(*args, **options)
        except CheckpointError:
            time.sleep(3)
            return method(*args, **options)

    _wrap("save", patiently)


def _hang() -> None:
    """Never return from an outage."""

    def hanging(method: Method, *args: Any, **options: Any) -> Any:
        try:
            return method(*args, **options)
        except LogUnavailable:
            time.sleep(3600)

    _wrap("save", hanging)


def _let_driver_errors_out() -> None:
    """Raise what the driver raises."""

    def raw(method: Method, *args: Any, **options: Any) -> Any:
        try:
            return method(*args, **options)
        except LogUnavailable as error:
            raise redis.ConnectionError(str(error)) from error

    _wrap("save", raw)


def _give_up_at_once() -> None:
    """Fail now and then though all is well."""

    def failing(method: Method, *args: Any, **options: Any) -> Any:
        if _drawn(RARELY):
            raise LogUnavailable
        return method(*args, **options)

    _wrap("save", failing)


def _save_twice() -> None:
    """Send a save again though it was answered."""

    def twice(method: Method, *args: Any, **options: Any) -> Any:
        if _drawn(OFTEN) and not options.get("expected_version"):
            method(*args, **options)
        return method(*args, **options)

    _wrap("save", twice)


def _promise_too_much() -> None:
    """Call durable what only Redis has."""

    def hasty(method: Method, *args: Any, **options: Any) -> Any:
        return method(*args, **{**options, "ack": "log"})

    _wrap("save", hasty)


def _acknowledge_unsent() -> None:
    """Acknowledge a save that was not sent."""
    before: list[Appended] = []

    def unsent(method: Method, job: str, *args: Any, **options: Any) -> Any:
        if before and _drawn(RARELY) and options.get("ack") == "log":
            return before[0]._replace(job=job)
        saved = method(job, *args, **options)
        before[:] = [saved]
        return saved

    _wrap("save", unsent)


MANAGERS: dict[str, Change] = {
    "believe the archive": _believe_the_archive,
    "say nothing": _say_nothing,
    "answer again": _answer_again,
    "mix up replies": _mix_up_replies,
    "retry for ever": _retry_for_ever,
    "hang": _hang,
    "let driver errors out": _let_driver_errors_out,
    "give up at once": _give_up_at_once,
    "save twice": _save_twice,
    "promise too much": _promise_too_much,
    "acknowledge unsent": _acknowledge_unsent,
}
