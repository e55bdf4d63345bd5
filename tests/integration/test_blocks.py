"""Blocks that end badly: nothing of them is saved, and how they ended is recorded."""

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from time import monotonic, sleep
from typing import Any

import pytest
from awaited import Awaited
from real_log import RealLog

from checkpoint import (
    AsyncCheckpointManager,
    CheckpointManager,
    InvalidPayload,
    LogUnavailable,
    PayloadTooLarge,
    Settings,
)

FILM = ["cut", "mix"]


class Unprintable(Exception):
    def __str__(self) -> str:
        raise AttributeError("no response")


class NotText(Exception):
    def __str__(self) -> str:
        return None  # type: ignore[return-value] # noqa: PLE0307 - what the test is about


class Endless(Exception):
    def __str__(self) -> str:
        return str(self)


@pytest.fixture(params=[CheckpointManager, Awaited], ids=["blocking", "asyncio"])
def manager(request: pytest.FixtureRequest, log: RealLog) -> Iterator[Any]:
    with request.param(log.settings, pipeline=FILM) as made:
        yield made


def events(manager: Any, job: str = "j") -> list[dict[str, Any]]:
    return [one["event"] for one in manager.get_job_history(job)]


def put(key: Any, value: Any) -> Callable[[dict[Any, Any]], None]:
    def put_in(data: dict[Any, Any]) -> None:
        data[key] = value

    return put_in


@pytest.mark.parametrize(
    "fill",
    [
        put("x", float("nan")),
        put("x", object()),
        put("x", "\0"),
        put("x", 2**64),
        put(1, "x"),
        put("x", "x" * 2_000_000),
        lambda data: data.update(x=float("inf")),
        lambda data: data.update({"x": {1, object()}}),
        lambda data: data.setdefault("x", object()),
        lambda data: data.__ior__({"x": object()}),
    ],
)
def test_what_cannot_be_saved_is_refused_when_it_is_put_in_and_is_a_failure(
    manager: Any, fill: Any
) -> None:
    went_on = False

    def block() -> None:
        nonlocal went_on
        with manager.atomic_checkpoint("j", "cut") as data:
            fill(data)
            went_on = True

    with pytest.raises(InvalidPayload):
        block()
    assert not went_on
    [failed] = events(manager)
    assert failed["type"] == "stage_failed"
    assert failed["error"] in {"InvalidPayload", "PayloadTooLarge"}


def test_what_becomes_unsavable_later_is_a_failure_too(manager: Any) -> None:
    def spoil() -> None:
        with manager.atomic_checkpoint("j", "cut") as data:
            data["x"] = []
            data["x"].append(float("nan"))

    with pytest.raises(InvalidPayload):
        spoil()
    with pytest.raises(PayloadTooLarge), manager.atomic_checkpoint("j", "cut") as data:
        data.update(dict.fromkeys("ab", "x" * 600_000))
    assert [one["error"] for one in events(manager)] == ["InvalidPayload", "PayloadTooLarge"]


def test_all_ways_into_the_dict_are_saved(manager: Any) -> None:
    with manager.atomic_checkpoint("j", "cut") as data:
        data["a"] = 1
        data.update({"b": 2}, c=3)
        data |= {"d": 4}
        assert data.setdefault("e", 5) == 5
        assert data.setdefault("a", 6) == 1
    assert manager.load("j", "cut") == {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}


def test_a_dict_that_is_replaced_is_a_failure(manager: Any) -> None:
    def replace() -> None:
        with manager.atomic_checkpoint("j", "cut") as data:
            data = {"a": 1}  # noqa: F841, PLW2901 - what the test is about

    def replace_a_filled_one() -> None:
        with manager.atomic_checkpoint("j", "cut") as data:
            data["a"] = 1
            data = {"b": 2}  # noqa: PLW2901 - as above

    for block in (replace, replace_a_filled_one):
        with pytest.raises(InvalidPayload, match="replaced"):
            block()
    assert [one["error"] for one in events(manager)] == ["InvalidPayload"] * 2


def test_a_dict_that_is_replaced_in_a_coroutine_is_a_failure(settings: Settings) -> None:
    async def replace(manager: AsyncCheckpointManager) -> None:
        async with manager.atomic_checkpoint("j", "cut") as data:
            data = {"a": 1}  # noqa: F841, PLW2901 - as above

    async def run() -> None:
        async with AsyncCheckpointManager(settings) as manager:
            async with manager.atomic_checkpoint("j", "mix"):
                await asyncio.sleep(0)
            with pytest.raises(InvalidPayload, match="replaced"):
                await replace(manager)

    asyncio.run(run())


def test_a_dict_that_nobody_names_is_empty(manager: Any) -> None:
    with manager.atomic_checkpoint("j", "cut"):
        pass
    with (
        manager.atomic_checkpoint("j", "mix"),
        manager.atomic_checkpoint("k", "cut"),
    ):
        pass
    assert manager.load("j", "cut") == manager.load("j", "mix") == manager.load("k", "cut") == {}


def test_a_stack_may_hold_the_block(manager: Any) -> None:
    with ExitStack() as stack:
        stack.enter_context(manager.atomic_checkpoint("j", "cut"))
        data = stack.enter_context(manager.atomic_checkpoint("j", "mix"))
        data["a"] = 1
    assert (manager.load("j", "cut"), manager.load("j", "mix")) == ({}, {"a": 1})


@pytest.mark.parametrize("kind", [Unprintable, NotText, Endless])
def test_an_exception_whose_text_fails_is_raised_itself(
    manager: Any, kind: type[Exception]
) -> None:
    with pytest.raises(kind), manager.atomic_checkpoint("j", "cut"):
        raise kind
    manager.record_failure("j", "cut", kind())
    assert [one["error"] for one in events(manager)] == [kind.__name__] * 2
    assert "its message cannot be had" in events(manager)[0]["message"]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_ends_a_block_from_outside_interrupts(manager: Any, kind: type[BaseException]) -> None:
    with pytest.raises(kind), manager.atomic_checkpoint("j", "cut"):
        raise kind
    [event] = events(manager)
    assert (event["type"], event["stage"], event["reason"]) == (
        "stage_interrupted",
        "cut",
        kind.__name__,
    )
    assert manager.get_job_progress("j")["failures"] == []


def test_a_cancelled_task_interrupts(log: RealLog) -> None:
    async def work(manager: AsyncCheckpointManager) -> None:
        async with manager.atomic_checkpoint("j", "cut"):
            await asyncio.sleep(60)

    async def run() -> list[dict[str, Any]]:
        async with AsyncCheckpointManager(log.settings) as manager:
            task = asyncio.create_task(work(manager))
            await asyncio.sleep(0.2)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
            return [one["event"] for one in await manager.get_job_history("j")]

    [event] = asyncio.run(run())
    assert (event["type"], event["reason"]) == ("stage_interrupted", "CancelledError")


def test_ctrl_c_does_not_wait_long_for_a_redis_that_is_away() -> None:
    settings = Settings(redis_url="redis://127.0.0.1:1/0", timeout=30)
    begun = monotonic()
    main = threading.main_thread().ident
    threading.Timer(0.2, signal.pthread_kill, [main, signal.SIGINT]).start()
    with (
        CheckpointManager(settings) as manager,
        pytest.raises(KeyboardInterrupt) as raised,
        manager.atomic_checkpoint("j", "cut"),
    ):
        sleep(20)
    assert monotonic() - begun < 5
    assert any("could not be recorded" in note for note in raised.value.__notes__)


def deep(level: int) -> None:
    if level:
        deep(level - 1)
    raise OSError("the disk is full")


def test_a_failure_keeps_the_end_of_its_traceback(manager: Any) -> None:
    with pytest.raises(OSError, match="full"), manager.atomic_checkpoint("j", "cut"):
        deep(3)
    with pytest.raises(OSError, match="full"), manager.atomic_checkpoint("j", "cut"):
        deep(300)
    with pytest.raises(ValueError, match="long"), manager.atomic_checkpoint("j", "cut"):
        raise ValueError("long" * 10_000)
    short, cut, long = [one["traceback"] for one in events(manager)]
    assert short.startswith("Traceback (most recent call last):")
    assert short.endswith("OSError: the disk is full\n")
    assert "deep(3)" in short
    assert cut.count('File "') <= 20
    assert len(long.encode()) <= 8 * 1024
    assert long.endswith("longlong\n")


def test_a_failure_that_cannot_be_recorded_is_raised_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = Settings(redis_url="redis://127.0.0.1:1/0", timeout=0.2)
    with CheckpointManager(settings) as manager:
        try:
            with manager.atomic_checkpoint("j", "cut"):
                deep(0)
        except OSError:
            sys.excepthook(*sys.exc_info())  # type: ignore[arg-type] # there is one
        with pytest.raises(LogUnavailable), manager.atomic_checkpoint("j", "cut"):
            pass
    assert "IndexError" not in capsys.readouterr().err
