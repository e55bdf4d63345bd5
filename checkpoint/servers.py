"""Who carries out steps: a manager's connections to Redis and, if it is asked, the archive."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Awaitable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, aclosing, closing
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast

from checkpoint.events.errors import CheckpointError, LogUnavailable, WrongEventLoop
from checkpoint.events.forks import make_anew_after_fork
from checkpoint.events.script import Call
from checkpoint.events.settings import Settings
from checkpoint.events.steps import (
    LEAST_SECONDS,
    WAKE_SECONDS,
    Alone,
    AskArchive,
    AskSpool,
    BlockingCommand,
    Command,
    Deadline,
    Disconnect,
    LoadScript,
    OneRun,
    Pause,
    Step,
    Steps,
    SyncedCall,
    Together,
    WatermarkWait,
)

from .questions import Questions

if TYPE_CHECKING:
    from checkpoint.events.async_lines import AsyncLines
    from checkpoint.events.lines import Lines

T = TypeVar("T")

BUSY = "others of this process were opening the log until the deadline"


class Servers:
    """Carries out steps in blocking code. Thread-safe; connects when first needed."""

    def __init__(self, settings: Settings, limit: float | None = None) -> None:
        """Take the servers' addresses, and how many seconds of a `run` archive and spool may take.

        Redis has deadlines of its own, which its steps say.
        """
        from checkpoint.events.lines import Lines  # noqa: PLC0415 - `import checkpoint` stays light

        from .waits import Waits  # noqa: PLC0415 - as above

        self._redis = Lines(settings.redis_url, settings.reply_timeout)
        self._waits = Waits(self._redis, settings.longest_block)
        self._questions = Questions(settings, limit)
        self.after_fork()
        make_anew_after_fork(self)

    def after_fork(self) -> None:
        """Make the lock anew: a thread of the parent may have held it."""
        # reentrant: a signal handler may ask while its thread is asking
        self._alone = threading.RLock()

    def run(self, steps: Steps[T], wait: float = 0.0) -> T:
        """Carry out steps to the end and return what they come to.

        `wait` is how many seconds they may wait for others before they ask the archive.
        """
        return self._run(steps, self._questions.deadline() + wait)

    def _run(self, steps: Steps[T], until: float) -> T:
        with closing(steps):  # lets go of what they hold, however this ends
            step = _next(steps, None)
            while not isinstance(step, _End):
                step = _next(steps, self._answer(step, until))
            return step.value

    def _run_alone(self, steps: Steps[T], deadline: float, until: float) -> T:
        if not self._alone.acquire(timeout=max(0.0, deadline - time.monotonic())):
            steps.close()
            raise _unreached(BUSY)
        try:
            return self._run(steps, until)
        finally:
            self._alone.release()

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()
        self._questions.close()

    def _over(self, redis: "Lines") -> Self:
        other = copy(self)
        other._redis = redis  # noqa: SLF001 - of its own class
        return other

    def _answer(self, step: Step, until: float) -> Any:
        try:
            return self._perform(step, until)
        except CheckpointError as error:
            return error

    def _run_pinned(self, steps: Steps[Any], until: float) -> Any:
        try:
            with closing(self._redis.pinned(until)) as redis:
                return self._over(redis)._run(steps, until)  # noqa: SLF001 - of its own class
        except LogUnavailable as error:
            if error.reconnect:
                self._redis.close()
            raise

    def _together(self, parts: Sequence[Steps[Any]], until: float) -> list[Any]:
        """Carry out parts side by side: what all of them wait for is waited for once."""
        with ExitStack() as stack:
            for part in parts:
                stack.enter_context(closing(part))
            begun = cast("Iterator[Call | SyncedCall]", map(next, parts))  # as Together has it
            answers = self._run_all(parts, begun, until)
            asked: dict[Steps[Any], Any] = {}
            while answers:
                asked |= {part: self._go_on(part, one, until) for part, one in answers.items()}
                answers = self._answers(asked, until)
        return _results([asked[part].value for part in parts])

    def _answers(self, asked: Mapping[Steps[Any], Any], until: float) -> dict[Steps[Any], Any]:
        """Answer what parts ask: after one pause for all that pause, all calls at a time."""
        if pauses := {part: one.seconds for part, one in asked.items() if isinstance(one, Pause)}:
            time.sleep(max(pauses.values()))
            return dict.fromkeys(pauses)
        calls = {part: one for part, one in asked.items() if not isinstance(one, _End)}
        return self._run_all(calls, iter(calls.values()), until) if calls else {}

    def _run_all(
        self, parts: Collection[Steps[Any]], calls: "Iterator[Call | SyncedCall]", until: float
    ) -> dict[Steps[Any], Any]:
        try:
            answers = self._redis.run_all(calls, until + WAKE_SECONDS)
        except CheckpointError as error:
            deque(calls, maxlen=0)  # those that were not begun: all are told
            answers = [error] * len(parts)
        return dict(zip(parts, answers, strict=True))

    def _go_on(
        self, steps: Steps[Any], answer: Any, until: float
    ) -> "Call | SyncedCall | Pause | _End[Any]":
        """Go on until the steps ask for what others may ask for too, or end with what they do."""
        try:
            step = _next(steps, answer)
            while not isinstance(step, Call | SyncedCall | Pause | _End):
                step = _next(steps, self._answer(step, until))
        except CheckpointError as error:
            return _End(error)
        return step

    def _perform(self, step: Step, until: float) -> Any:  # noqa: C901, PLR0911, PLR0912 - one for each kind of step
        match step:
            case Call():
                return self._redis.run(step, until)
            case Command(words):
                return self._redis.execute(*words, until=until)
            case SyncedCall(call):
                return self._redis.run_synced(call, step.timeout_ms, until + WAKE_SECONDS)
            case LoadScript(script):
                return self._redis.load(script, until)
            case AskArchive(question):
                return self._questions.ask_archive(question, until)
            case AskSpool(ask):
                return self._questions.ask_spool(ask, until)
            case WatermarkWait():
                return self._waits.wait(step)
            case OneRun(steps):
                return self._run_pinned(steps, until)
            case Alone(steps, deadline):
                return self._run_alone(steps, deadline, until)
            case Together(parts):
                return self._together(parts, until)
            case Disconnect():
                return self._redis.close()
            case Pause(seconds):
                time.sleep(seconds)
                return None
            case Deadline():
                return until


class AsyncServers:
    """Carries out steps in asyncio code; questions to archive and spool wait in a thread."""

    def __init__(self, settings: Settings, limit: float | None = None) -> None:
        """Take the servers' addresses, and how many seconds of a `run` archive and spool may take.

        Redis has deadlines of its own, which its steps say.
        """
        from checkpoint.events.async_lines import AsyncLines  # noqa: PLC0415 - as in Servers

        from .waits import AsyncWaits  # noqa: PLC0415 - as in Servers

        self._redis = AsyncLines(settings.redis_url, settings.reply_timeout)
        self._reply_timeout = settings.reply_timeout
        self._waits = AsyncWaits(self._redis, settings.longest_block)
        self._questions = Questions(settings, limit)
        self.after_fork()
        make_anew_after_fork(self)

    def after_fork(self) -> None:
        """Forget the event loop, which is the parent's."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._alone = asyncio.Lock()

    async def run(self, steps: Steps[T], wait: float = 0.0) -> T:
        """Carry out steps as Servers.run does; WrongEventLoop."""
        self._enter(asyncio.get_running_loop())
        return await self._run(steps, self._questions.deadline() + wait)

    async def _run(self, steps: Steps[T], until: float) -> T:
        with closing(steps):  # lets go of what they hold, however this ends
            step = _next(steps, None)
            while not isinstance(step, _End):
                step = _next(steps, await self._answer(step, until))
            return step.value

    def _enter(self, loop: asyncio.AbstractEventLoop) -> None:
        """Belong to an event loop from now on, if not to another one that is running."""
        if self._loop is loop:
            return
        if self._loop is not None:
            if self._loop.is_running():
                raise WrongEventLoop
            self._redis.forget()
            self._waits.forget()
        self._loop, self._alone = loop, asyncio.Lock()

    async def _run_alone(self, steps: Steps[T], deadline: float, until: float) -> T:
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                await self._alone.acquire()
        except TimeoutError:
            steps.close()
            raise _unreached(BUSY) from None
        try:
            return await self._run(steps, until)
        finally:
            self._alone.release()

    async def close(self) -> None:
        """Close the connections."""
        self._enter(asyncio.get_running_loop())
        await self._waits.close()
        await self._redis.aclose()
        self._questions.close()

    def _over(self, redis: "AsyncLines") -> Self:
        other = copy(self)
        other._redis = redis  # noqa: SLF001 - of its own class
        return other

    async def _answer(self, step: Step, until: float) -> Any:
        try:
            return await self._perform(step, until)
        except CheckpointError as error:
            return error

    async def _run_pinned(self, steps: Steps[Any], until: float) -> Any:
        try:
            async with aclosing(await self._in_time(self._redis.pinned(), until)) as redis:
                return await self._over(redis)._run(steps, until)  # noqa: SLF001 - of its own class
        except LogUnavailable as error:
            if error.reconnect:
                self._redis.disconnect()
            raise

    async def _in_time(self, asked: "Awaitable[T]", until: float) -> T:
        """Wait for Redis as long as its replies may take, and not beyond a deadline."""
        if (left := until - time.monotonic()) >= self._reply_timeout:
            return await asked
        try:
            async with asyncio.timeout(max(LEAST_SECONDS, left)):
                return await asked
        except TimeoutError:
            raise _unreached("no reply until the deadline of the call") from None

    async def _perform(self, step: Step, until: float) -> Any:  # noqa: C901, PLR0911, PLR0912 - one for each kind of step
        match step:
            case Call():
                return await self._in_time(self._redis.run(step), until)
            case BlockingCommand(words):
                return await self._redis.block(*words)
            case Command(words):
                return await self._in_time(self._redis.execute(*words), until)
            case SyncedCall(call):
                return await self._in_time(
                    self._redis.run_synced(call, step.timeout_ms), until + WAKE_SECONDS
                )
            case LoadScript(script):
                return await self._in_time(self._redis.load(script), until)
            case AskArchive(question):
                return await self._questions.async_ask_archive(question, until)
            case AskSpool(ask):
                return await self._questions.async_ask_spool(ask, until)
            case WatermarkWait():
                return await self._waits.wait(step)
            case OneRun(steps):
                return await self._run_pinned(steps, until)
            case Alone(steps, deadline):
                return await self._run_alone(steps, deadline, until)
            case Together(parts):
                running = [self._run(part, until) for part in parts]
                return _results(await asyncio.gather(*running, return_exceptions=True))
            case Disconnect():
                return self._redis.disconnect()
            case Pause(seconds):
                return await asyncio.sleep(seconds)
            case Deadline():
                return until


@dataclass(slots=True)
class _End(Generic[T]):
    """What steps come to."""

    value: T


def _unreached(reason: str) -> LogUnavailable:
    from checkpoint.events.connection import unreached  # noqa: PLC0415 - as in Servers

    return unreached(reason)


def _next(steps: Steps[T], answer: Any) -> Step | _End[T]:
    """Hand in the answer to what was asked last, a result or an error."""
    failed = isinstance(answer, CheckpointError)
    try:
        return steps.throw(answer) if failed else steps.send(answer)
    except StopIteration as stop:
        return _End(stop.value)


def _results(outcomes: Sequence[Any]) -> list[Any]:
    """Return the outcomes, or raise the first of them that is an error."""
    for one in outcomes:
        if isinstance(one, BaseException):
            raise one
    return list(outcomes)
