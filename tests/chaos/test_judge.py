"""A judge that finds nothing proves nothing: each broken promise is shown to it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from chaos.evidence import Evidence, Gap
from chaos.judge import judge
from chaos.records import Record
from chaos.tap import Seen

JOB = "job"


def entry(number: int, version: int, kind: str = "stage_completed", **more: Any) -> Seen:
    event = {"type": kind, "job": JOB, **more}
    if kind == "stage_completed":
        event = {"stage": f"s{number}", "data": {"mark": f"m{number}"}, **event}
    return Seen(0, (number, 0), version, (1, 0), event, float(number))


def sound() -> Evidence:
    """Return the evidence of a run in which nothing was broken."""
    rows = [
        entry(1, 1),
        entry(2, 2, "job_claimed", owner="w", lease_ms=1000),
        entry(3, 3),
        entry(4, 4, "job_claimed", owner="v", lease_ms=1000),
        entry(5, 5),
    ]
    records = [
        *(
            Record("try", JOB, mark=f"m{number}", kind="save", token=token)
            for number, token in ((1, ""), (3, "2-0"), (5, "4-0"))
        ),
        *(
            Record("ack", JOB, mark=f"m{n}", kind="save", level=level, id=f"{n}-0", version=n)
            for n, level in ((1, "log"), (3, "durable"))
        ),
        Record("ask", JOB, mark="q"),
        Record("ack", JOB, mark="m5", kind="save", level="log", id="5-0", version=5),
        Record("answer", JOB, mark="q", stages={"s1": "m1", "s3": "m3"}, source="view"),
    ]
    return Evidence(
        records=records,
        seen={(row.partition, row.id): row for row in rows},
        poison={(0, (9, 0))},
        archived=[row._replace(at=0.0) for row in rows],
        dead={(0, (9, 0)): "no event"},
        views={JOB: {"version": 5, "stages": {"s1": "m1", "s3": "m3", "s5": "m5"}}},
        gaps=[],
        losses=[],
    )


def without(*numbers: int) -> Callable[[Evidence], Evidence]:
    return lambda it: replace(it, archived=[r for r in it.archived if r.id[0] not in numbers])


def row(number: int, **changes: Any) -> Callable[[Evidence], Evidence]:
    def change(it: Evidence) -> Evidence:
        rows = [r._replace(**changes) if r.id[0] == number else r for r in it.archived]
        return replace(it, archived=rows)

    return change


def doubled(it: Evidence) -> Evidence:
    again = it.archived[-1]._replace(id=(6, 0), version=6)
    return replace(it, archived=[*it.archived, again], seen={**it.seen, (0, again.id): again})


def answered(source: str = "view", **stages: str) -> Callable[[Evidence], Evidence]:
    answer = Record("answer", JOB, mark="q", stages=stages, source=source)
    return lambda it: replace(it, records=[*it.records[:-1], answer])


def test_a_sound_run_breaks_no_promise() -> None:
    assert judge(sound()) == []


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        (without(3), "durable is archived once"),
        (without(1), "nothing vanishes unnamed"),
        (row(1, version=7), "nothing vanishes unnamed"),
        (without(4), "versions have no gaps"),
        (doubled, "nothing is done twice"),
        (lambda it: replace(it, views={}), "view == fold(archive)"),
        (lambda it: replace(it, views={**it.views, "x": {}}), "view == fold(archive)"),
        (row(4, event={"type": "job_released", "job": JOB}), "fold(archive) == fold(log)"),
        (without(4), "fold(archive) == fold(log)"),
        (lambda it: replace(it, dead={}), "only poison is dead"),
        (lambda it: replace(it, dead={**it.dead, (0, (3, 0)): "?"}), "only poison is dead"),
        (answered(), "answers are explainable"),
        (answered(s1="m1"), "answers are explainable"),
        (answered(s1="m1", s3="m9"), "answers are explainable"),
        (answered("archive"), "answers are explainable"),
    ],
)
def test_a_broken_promise_is_found(broken: Callable[[Evidence], Evidence], promise: str) -> None:
    assert promise in {one.promise for one in judge(broken(sound()))}


def test_an_event_under_a_superseded_token_is_found() -> None:
    it = sound()
    records = [replace_token(one, "2-0") if one.mark == "m5" else one for one in it.records]
    found = judge(replace(it, records=records))
    assert {one.promise for one in found} == {"no stale token got through"}


def replace_token(record: Record, token: str) -> Record:
    return Record(record.what, record.job, mark=record.mark, kind=record.kind, token=token)


@pytest.mark.parametrize("stages", [{"s1": "m1", "s3": "m3"}, {"s1": "m1", "s3": "m3", "s5": "m5"}])
def test_an_answer_may_see_what_came_while_it_was_asked(stages: dict[str, str]) -> None:
    assert judge(answered(**stages)(sound())) == []


def test_a_loss_that_is_named_breaks_no_promise() -> None:
    it = without(5)(sound())
    stages = {"s1": "m1", "s3": "m3"}
    it = replace(it, views={JOB: {"version": 4, "stages": stages}}, losses=[5.5])
    assert judge(it)
    assert judge(replace(it, gaps=[Gap(0, (4, 0), 6)])) == []


def test_what_a_deleted_life_had_is_no_answer() -> None:
    deleted = entry(6, 6, "job_deleted")
    it = sound()
    it = replace(
        it,
        seen={**it.seen, (0, deleted.id): deleted},
        archived=[*it.archived, deleted._replace(at=0.0)],
        views={JOB: {"version": 6, "stages": {}}},
        records=[
            *it.records,
            Record("try", JOB, mark="d", kind="delete"),
            Record("ack", JOB, mark="d", kind="delete", level="log"),
            Record("ask", JOB, mark="r"),
        ],
    )
    gone = Record("answer", JOB, mark="r", source="view")
    back = Record("answer", JOB, mark="r", source="view", stages={"s1": "m1"})
    assert judge(replace(it, records=[*it.records, gone])) == []
    assert [one.promise for one in judge(replace(it, records=[*it.records, back]))] == [
        "answers are explainable"
    ]


def test_who_was_told_must_name_what_is_lost() -> None:
    def saved(number: int, version: int) -> Seen:
        return entry(number, version, stage="s", data={"mark": f"p.0/{number}"}, type="save")

    def told(number: int, version: int) -> Record:
        place = {"id": f"{number}-0", "version": version, "incarnation": "1-0"}
        return Record("ack", JOB, at=float(number), mark=f"p.0/{number}", kind="save", **place)

    rows = [saved(1, 1), saved(7, 2), saved(9, 4)]
    naming = entry(8, 3, "events_lost", incarnation="1-0", first=2, last=3)
    it = replace(
        sound(),
        records=[told(1, 1), told(2, 2), told(3, 3), told(7, 2), told(9, 4)],
        archived=rows,
        gaps=[Gap(0, (1, 0), 7)],
    )
    promise = "what is lost is named by job"
    assert [one.promise for one in judge(it)].count(promise) == 2
    assert promise not in {one.promise for one in judge(replace(it, archived=[*rows, naming]))}
