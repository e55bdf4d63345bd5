"""How a log comes to be, and how it does not."""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import count
from math import inf
from typing import Any, cast

import pytest
import redis
from real_log import RealLog

from checkpoint import CheckpointManager
from checkpoint.core import Core
from checkpoint.events.creation import Log, open_log
from checkpoint.events.errors import (
    ArchiveUnavailable,
    CheckpointError,
    LogNotReady,
    PartitionCountMismatch,
)
from checkpoint.events.settings import Settings
from checkpoint.events.steps import Steps
from checkpoint.servers import Servers


def opened(settings: Settings) -> Log:
    """Open the log as another process would: remembering nothing."""
    servers = Servers(settings)
    try:
        return servers.run(Core(settings).open())
    finally:
        servers.close()


def empty_redis(settings: Settings) -> None:
    """Lose every key of the log, as a FLUSHALL does."""
    with redis.Redis.from_url(settings.redis_url) as client:
        keys = list(client.scan_iter(match=f"{{{settings.namespace}*"))
        client.delete(*keys)


def abandon_after(settings: Settings, steps: int) -> bool:
    """Carry out so many steps of a creation and no more; say whether it ended before."""
    has_archive = settings.postgres_url is not None
    creation = open_log(settings.namespace, settings.partitions, has_archive=has_archive)
    servers = Servers(settings)
    try:
        answer: Any = None
        for _ in range(steps):
            answer = servers._perform(creation.send(answer), inf)  # noqa: SLF001 - one step at a time
    except StopIteration:
        return True
    finally:
        creation.close()
        servers.close()
    return False


@pytest.fixture(params=["redis alone", "with an archive"])
def either(request: pytest.FixtureRequest) -> Settings:
    name = "settings" if request.param == "redis alone" else "archived_settings"
    found: Settings = request.getfixturevalue(name)
    return found


def test_the_first_use_creates_the_log_and_the_next_finds_it(either: Settings) -> None:
    made = opened(either)
    assert made.partitions == 2
    assert opened(either) == made
    assert opened(replace(either, partitions=None)) == made


def test_a_new_log_has_eight_partitions_unless_told_otherwise(settings: Settings) -> None:
    assert opened(replace(settings, partitions=None)).partitions == 8


def test_redis_and_the_archive_hold_the_same_log(archived_log: RealLog) -> None:
    archive = archived_log.archive()
    assert archive.log() == archived_log.log
    assert set(archive.positions()) == {0, 1}
    archive.close()


@pytest.mark.parametrize("wrong", [1, 3, 8])
def test_another_number_of_partitions_is_refused(settings: Settings, wrong: int) -> None:
    opened(settings)
    with pytest.raises(PartitionCountMismatch, match=f"has 2 partitions, not {wrong}"):
        opened(replace(settings, partitions=wrong))
    with (
        CheckpointManager(replace(settings, partitions=wrong)) as manager,
        pytest.raises(PartitionCountMismatch),
    ):
        manager.save("j", "cut", 1)


def test_processes_that_create_at_once_get_the_same_log(either: Settings) -> None:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(4, mp_context=spawn) as processes:
        logs = list(processes.map(opened, [either] * 8))
    assert len(set(logs)) == 1


@pytest.mark.parametrize("steps", range(1, 9))
def test_a_creation_that_was_abandoned_anywhere_is_finished_by_the_next(
    either: Settings, steps: int
) -> None:
    abandon_after(either, steps)
    log = opened(either)
    assert opened(either) == log
    with CheckpointManager(either) as manager:
        manager.save("a", "cut", 1)
        manager.save("c", "cut", 1)  # of the other partition
    found = RealLog(either)
    assert {found.fold(job).version for job in "ac"} == {1}
    found.close()


def test_the_steps_of_a_creation_are_all_visited(archived_settings: Settings) -> None:
    steps = 0
    while not abandon_after(
        replace(archived_settings, namespace=f"{archived_settings.namespace}{steps}"), steps
    ):
        steps += 1
    assert steps == 10


@pytest.mark.parametrize("steps", range(1, 9))
def test_one_that_lost_the_race_at_any_step_gets_the_same_log(either: Settings, steps: int) -> None:
    servers = Servers(either)
    others: list[Log] = []

    def slowly() -> Steps[Log]:
        creation = open_log(
            either.namespace, either.partitions, has_archive=either.postgres_url is not None
        )
        answer: Any = None
        for number in count():
            if number == steps:
                others.append(opened(either))
            try:
                answer = yield creation.send(answer)
            except StopIteration as stop:
                return cast(Log, stop.value)
        raise AssertionError

    assert servers.run(slowly()) == opened(either)
    assert others in ([], [opened(either)])
    servers.close()


def test_an_empty_redis_is_not_a_new_log_while_the_archive_knows_of_one(
    archived_log: RealLog, archived_settings: Settings
) -> None:
    empty_redis(archived_settings)
    for _ in range(3):
        with pytest.raises(LogNotReady, match="restore"):
            opened(archived_settings)
    with CheckpointManager(archived_settings) as manager:
        with pytest.raises(LogNotReady):
            manager.save("j", "cut", 1)
        with pytest.raises(LogNotReady):
            manager.get_resume_point("j")
    assert archived_log.events() == 0


def test_a_manager_that_is_open_when_redis_is_emptied_fails_closed(
    archived_settings: Settings,
) -> None:
    with CheckpointManager(archived_settings) as manager:
        manager.save("j", "cut", 1)
        empty_redis(archived_settings)
        for _ in range(2):
            with pytest.raises(LogNotReady):
                manager.save("j", "mix", 1)
            with pytest.raises(LogNotReady):
                manager.get_resume_point("j")
            with pytest.raises(LogNotReady):
                manager.get_job_progress("j")


def test_without_an_archive_redis_alone_decides(settings: Settings) -> None:
    first = opened(settings)
    empty_redis(settings)
    assert opened(settings).id != first.id


@pytest.mark.parametrize("verb", ["save", "load", "get_resume_point", "get_job_progress"])
def test_without_an_archive_an_open_manager_does_not_take_an_empty_redis_for_its_log(
    settings: Settings, verb: str
) -> None:
    more: dict[str, list[Any]] = {"save": ["cut", 1], "load": ["cut"]}
    with CheckpointManager(settings) as manager:
        manager.save("j", "cut", 1)
        empty_redis(settings)
        for _ in range(2):
            with pytest.raises(LogNotReady):
                getattr(manager, verb)("j", *more.get(verb, []))


def test_no_log_is_created_while_the_archive_cannot_be_asked(settings: Settings) -> None:
    unreachable = replace(settings, postgres_url="host=127.0.0.1 port=1 connect_timeout=1")
    with pytest.raises(ArchiveUnavailable):
        opened(unreachable)
    with CheckpointManager(unreachable) as manager, pytest.raises(CheckpointError):
        manager.save("j", "cut", 1)


def test_an_archive_that_is_added_later_gets_to_know_the_log(
    archived_settings: Settings,
) -> None:
    without = replace(archived_settings, postgres_url=None)
    log = opened(without)
    with CheckpointManager(without) as manager:
        manager.save("j", "cut", 1)
    assert opened(archived_settings) == log
    later = RealLog(archived_settings)
    later.store()
    archive = later.archive()
    assert archive.log() == log
    assert len(archive.job_entries("j")[0]) == 1
    archive.close()
    later.close()


def test_two_logs_on_the_same_servers_know_nothing_of_each_other(
    archived_settings: Settings,
) -> None:
    other = replace(archived_settings, namespace=f"{archived_settings.namespace}other")
    with CheckpointManager(archived_settings) as one, CheckpointManager(other) as two:
        one.save("j", "cut", 1)
        assert two.get_resume_point("j") is None
        assert two.save("j", "mix", 2).version == 1
    logs: Iterator[Log] = map(opened, [archived_settings, other])
    assert len({log.id for log in logs}) == 2


def test_an_archive_of_another_log_is_refused_and_the_log_in_redis_stays(
    archived_settings: Settings,
) -> None:
    opened(archived_settings)
    empty_redis(archived_settings)
    without = replace(archived_settings, postgres_url=None)
    log = opened(without)
    for _ in range(2):
        with pytest.raises(LogNotReady, match="another log"):
            opened(archived_settings)
    assert opened(without) == log


def test_an_archive_that_is_away_does_not_keep_a_known_log_from_being_opened(
    archived_settings: Settings,
) -> None:
    log = opened(archived_settings)
    unreachable = replace(archived_settings, postgres_url="host=127.0.0.1 port=1")
    assert opened(unreachable) == log
