"""The evidence of a run in which nothing was broken, and changes that break it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from chaos.evidence.facts import Evidence, Seen
from chaos.evidence.records import Record

JOB = "job"
LIFE = "p.0"
Change = Callable[[Evidence], Evidence]


def entry(number: int, version: int, kind: str = "stage_completed", **more: Any) -> Seen:
    event = {"type": kind, "job": JOB, **more}
    if kind == "stage_completed":
        event = {"stage": f"s{number}", "data": {"mark": f"m{number}"}, **event}
    return Seen(0, (number, 0), version, (1, 0), event, float(number))


def record(what: str, at: float, **more: Any) -> Record:
    return Record(what, **{"life": LIFE, "at": at, "job": JOB, **more})


def call(name: str, op: str, begin: float, end: float | None = None, **more: Any) -> list[Record]:
    """Return the records of a call; of one that did not return, only its begin."""
    stage = more.pop("stage", "")
    begun = record("call", begin, call=name, op=op, limit=3.0, thread="main", stage=stage)
    return [begun] if end is None else [begun, record("end", end, call=name, **more)]


def answered(op: str = "get_resume_point", stage: str = "", **said: Any) -> Change:
    """Add a question that is asked when m1 and m3 are known, and its answer."""
    question = call("q", op, 4.5, 4.6, stage=stage)
    answer = record("answer", 4.6, call="q", **{"source": "view", **said})

    def change(it: Evidence) -> Evidence:
        return replace(it, records=sorted([*it.records, *question, answer], key=lambda r: r.at))

    return change


def sound() -> Evidence:
    """Return the evidence of a run in which nothing was broken."""
    rows = [
        entry(1, 1),
        entry(2, 2, "job_claimed", owner="w", lease_ms=1000),
        entry(3, 3),
        entry(4, 4, "job_claimed", owner="v", lease_ms=1000),
        entry(5, 5),
    ]
    saves = ((1, "", "log"), (3, "2-0", "durable"), (5, "4-0", "log"))
    records = [
        one
        for number, token, level in saves
        for one in (
            record("try", number, mark=f"m{number}", kind="save", token=token),
            record(
                "ack",
                number + 0.1,
                mark=f"m{number}",
                level=level,
                id=f"{number}-0",
                version=number,
            ),
        )
    ]
    return Evidence(
        records=records,
        seen={row.place: row for row in rows},
        poison={(0, (9, 0))},
        archived=[row._replace(at=0.0) for row in rows],
        dead={(0, (9, 0)): "no event"},
        views={JOB: {"version": 5, "stages": {"s1": "m1", "s3": "m3", "s5": "m5"}}},
        gaps=[],
    )


def without(*numbers: int) -> Change:
    return lambda it: replace(it, archived=[r for r in it.archived if r.id[0] not in numbers])


def row(number: int, **changes: Any) -> Change:
    def change(it: Evidence) -> Evidence:
        rows = [r._replace(**changes) if r.id[0] == number else r for r in it.archived]
        return replace(it, archived=rows)

    return change


def doubled(it: Evidence) -> Evidence:
    again = it.archived[-1]._replace(id=(6, 0), version=6)
    return replace(it, archived=[*it.archived, again], seen={**it.seen, again.place: again})


def having(**changes: Any) -> Change:
    return lambda it: replace(it, **changes)


def recorded(*records: Record) -> Change:
    return lambda it: replace(it, records=sorted([*it.records, *records], key=lambda r: r.at))


def superseded(it: Evidence) -> Evidence:
    changed = [
        record("try", r.at, mark="m5", kind="save", token="2-0")
        if (r.what, r.mark) == ("try", "m5")
        else r
        for r in it.records
    ]
    return replace(it, records=changed)


def late(seconds: float) -> Change:
    return recorded(*call("late", "close", 5.0, 5.0 + seconds))


def failed(error: str, at: float = 6.0) -> Change:
    return recorded(*call("failed", "save", at, at + 0.1, error=error))
