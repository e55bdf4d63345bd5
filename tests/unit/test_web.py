"""The pure parts of the web page: timelines, news, hosts."""

import asyncio

import pytest
from histories import FILM

from checkpoint.events import codec
from checkpoint.events.entry import Entry
from checkpoint.events.entry_id import EntryId
from checkpoint.events.event import (
    AnyEvent,
    EventsLost,
    JobClaimed,
    JobForked,
    JobRewound,
    StageCompleted,
    StageFailed,
)
from checkpoint.projector.fold import NOTHING, fold_all
from checkpoint.query.pipeline import OPEN
from checkpoint.web.guards import is_known
from checkpoint.web.sheet import Life
from checkpoint.web.tail import MOST_JOBS, Listener, News
from checkpoint.web.timeline import Timeline, timeline


def entries(*events: tuple[int, AnyEvent]) -> list[Entry]:
    """Make one incarnation of events and their times in ms."""
    born = EntryId(events[0][0], 0)
    return [
        Entry(EntryId(ms, number), born, number + 1, event, codec.encode(event))
        for number, (ms, event) in enumerate(events)
    ]


def life(of: list[Entry], version: int = 0) -> Life:
    state = fold_all(NOTHING, of)
    return Life(of[0].incarnation, [one for one in of if one.version != version], state)


def drawn(*events: tuple[int, AnyEvent]) -> Timeline:
    return timeline(entries(*events), FILM)


def test_an_attempt_began_as_long_before_its_event_as_it_took() -> None:
    shown = drawn((5000, StageCompleted(job="j", stage="cut", took_ms=2000)))
    (attempt,) = shown["attempts"]
    assert (attempt["begin_ms"], attempt["end_ms"], attempt["is_measured"]) == (3000, 5000, True)
    assert (shown["begin_ms"], shown["end_ms"]) == (3000, 5000)


def test_an_attempt_that_nobody_measured_began_at_the_event_before() -> None:
    shown = drawn(
        (1000, JobClaimed(job="j", owner="me", lease_ms=1)),
        (4000, StageFailed(job="j", stage="cut", error="E", message="m")),
    )
    (attempt,) = shown["attempts"]
    assert (attempt["begin_ms"], attempt["is_measured"]) == (1000, False)
    assert (attempt["outcome"], attempt["error"]) == ("failed", "E: m")
    assert [mark["text"] for mark in shown["marks"]] == ["claimed by me"]


def test_what_a_fork_copied_took_it_no_time() -> None:
    shown = drawn(
        (1000, JobForked(job="j", source="a", incarnation="1-0", version=3)),
        (1000, StageCompleted(job="j", stage="cut", took_ms=900)),
        (3000, StageCompleted(job="j", stage="mix", took_ms=900)),
    )
    copied, done = shown["attempts"]
    assert (copied["outcome"], copied["begin_ms"], copied["end_ms"]) == ("copied", 1000, 1000)
    assert (done["outcome"], done["begin_ms"]) == ("done", 2100)


def test_stages_come_in_the_order_of_the_pipeline() -> None:
    events = [(ms, StageCompleted(job="j", stage=stage)) for ms, stage in enumerate(["mix", "cut"])]
    assert timeline(entries(*events), FILM)["stages"] == ["cut", "mix"]
    assert timeline(entries(*events), OPEN)["stages"] == ["mix", "cut"]


def test_a_life_tells_its_state_at_a_version_and_what_is_missing() -> None:
    events = entries(
        (1, StageCompleted(job="j", stage="cut")),
        (2, StageCompleted(job="j", stage="mix")),
        (3, JobRewound(job="j", stage="mix", stages=("mix",))),
        (4, EventsLost(job="j", incarnation="1-0", first=3, last=4)),
    )
    whole = life(events)
    assert [list(whole.at(version).checkpoints) for version in (1, 2, 3)] == [
        ["cut"],
        ["cut", "mix"],
        ["cut"],
    ]
    assert whole.missing == []
    assert [(one.first, one.last) for one in whole.lost] == [(3, 4)]
    assert life(events, version=2).missing == [2]


def news(listener: Listener) -> News | None:
    return asyncio.run(listener.news())


def test_a_listener_begins_with_everything_and_then_hears_names() -> None:
    listener = Listener("")
    assert news(listener) == News(None, "")
    listener.tell({"b"}, "")
    listener.tell({"a", "b"}, "away")
    assert news(listener) == News(["a", "b"], "away")


def test_a_listener_that_is_slow_hears_that_much_has_changed() -> None:
    listener = Listener("")
    news(listener)
    listener.tell({str(number) for number in range(MOST_JOBS)}, "")
    listener.tell({"one more"}, "")
    listener.tell({"and another"}, "")
    assert news(listener) == News(None, "")


def test_a_listener_hears_of_the_end() -> None:
    listener = Listener("")
    listener.end()
    assert news(listener) is None


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:1", "127.0.0.1:8321", "[::1]:8321", "10.0.0.7", "Ops.Example"],
)
def test_hosts_of_ours(host: str) -> None:
    assert is_known(host, "ops.example")


@pytest.mark.parametrize("host", ["", "evil.example", "127.0.0.1.evil.example", "[::1", "a@b:1"])
def test_hosts_of_others(host: str) -> None:
    assert not is_known(host, "ops.example")
