"""A judge that finds nothing proves nothing: each broken law is shown to it."""

from dataclasses import replace
from typing import Any

import pytest
from chaos.evidence.facts import Evidence, Gap, Loss, Memory, Seen, Verdict, Window
from chaos.evidence.records import Record
from chaos.laws.account import Excuse
from chaos.laws.judge import LAWS, Judgement, judge
from chaos.sound_evidence import (
    JOB,
    LIFE,
    Change,
    answered,
    call,
    doubled,
    entry,
    failed,
    having,
    late,
    record,
    recorded,
    row,
    sound,
    superseded,
    without,
)


def laws_broken(judgement: Judgement) -> set[str]:
    return {one.law for one in judgement.violations}


NAMED = entry(6, 6, "events_lost", incarnation="1-0", first=5, last=5)
UNTOLD = Seen(0, (6, 0), 6, (1, 0), NAMED.event, 0.0)
BROKEN: list[tuple[Change, str]] = [
    (without(3), "durable is archived once"),
    (without(1), "nothing vanishes"),
    (row(1, version=7), "nothing vanishes"),
    (recorded(record("ack", 6.0, mark="s", level="spooled")), "nothing vanishes"),
    (lambda it: replace(it, archived=[*it.archived, UNTOLD]), "what is named was lost"),
    (without(4), "versions have no gaps"),
    (doubled, "nothing is done twice"),
    (having(renamed=["0:1-0"]), "an id names one entry"),
    (superseded, "no stale token got through"),
    (having(views={}), "view == fold(archive)"),
    (lambda it: replace(it, views={**it.views, "x": {}}), "view == fold(archive)"),
    (row(4, event={"type": "job_released", "job": JOB}), "fold(archive) == fold(log)"),
    (without(4), "fold(archive) == fold(log)"),
    (having(dead={}), "only poison is dead"),
    (lambda it: replace(it, dead={**it.dead, (0, (3, 0)): "?"}), "only poison is dead"),
    (answered(), "answers are not old"),
    (answered(stages={"s1": "m1"}), "answers are not old"),
    (answered(stages={"s1": "m1"}, source="archive"), "answers are not old"),
    (answered(stages={"s1": "m1", "s3": "m9"}), "answers are not old"),
    (answered("load", "s3", done=False, source=""), "answers are not old"),
    (answered("is_completed", "s3", done=False, source=""), "answers are not old"),
    (answered("get_job_progress", stages={"s1": ""}, source="archive"), "answers are not old"),
    (answered("get_job_history", ids=["1-0", "2-0"], source=""), "answers are not old"),
    (answered(stages={"s3": "m3", "s1": "m1"}, jobs=["other"]), "replies are of the job"),
    (recorded(record("ack", 6.0, mark="m5", jobs=["other"])), "replies are of the job"),
    (late(4.5), "calls end in time"),
    (recorded(*call("hung", "save", 5.0), record("pulse", 11.0)), "calls return"),
    (failed("redis.exceptions.ConnectionError"), "errors are of the expected classes"),
    (failed("ScriptUnknown"), "errors are of the expected classes"),
    (failed("LogUnavailable"), "no errors while all is well"),
    (having(memory=[Memory(1.0, 12 << 20, 6 << 20)]), "memory is bounded"),
    (having(deaths=["projector-0"]), "nobody dies by itself"),
    (having(stuck=["the archive"]), "nobody stays stuck"),
    (having(doctor=Verdict(1, [])), "the doctor is content"),
    (having(verify=Verdict(1, {"differences": [{"job_id": JOB}]})), "verify is clean"),
    (having(verify=Verdict(1, "Traceback")), "verify is clean"),
]
ELSEWHERE = {
    "what is lost is named by job",
    "answers of Redis are of now",
    "nothing is said only of nothing",
}
"""Laws that are broken in tests of their own."""


def test_a_sound_run_breaks_no_law() -> None:
    assert judge(sound()) == Judgement([], judge(sound()).excuses)
    assert not judge(sound()).excuses


@pytest.mark.parametrize(("broken", "law"), BROKEN)
def test_a_broken_law_is_found(broken: Change, law: str) -> None:
    assert law in laws_broken(judge(broken(sound())))


def test_every_law_is_broken_by_some_test() -> None:
    assert {law for _, law in BROKEN} | ELSEWHERE == LAWS.keys()


@pytest.mark.parametrize("stages", [{"s1": "m1", "s3": "m3"}, {"s1": "m1", "s3": "m3", "s5": "m5"}])
def test_an_answer_may_see_what_came_while_it_was_asked(stages: dict[str, str]) -> None:
    assert not judge(answered(stages=stages)(sound())).violations


def of_another_process(change: Change) -> Evidence:
    """Return evidence in which somebody asks who was told nothing."""
    it = change(sound())
    strangers = [
        Record(r.what, **{**_fields(r), "life": "other.0"}) if r.call == "q" else r
        for r in it.records
    ]
    return replace(it, records=strangers)


def _fields(one: Record) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__struct_fields__ if name != "what"}


def test_an_archive_may_be_behind_for_who_was_told_nothing_but_not_know_nothing() -> None:
    behind = of_another_process(answered(stages={"s1": "m1"}, source="archive"))
    assert not judge(behind).violations
    for op, source in (("get_resume_point", ""), ("get_job_progress", "archive")):
        nothing = of_another_process(answered(op, source=source, status="never existed"))
        assert laws_broken(judge(nothing)) == {"nothing is said only of nothing"}
    deleted = of_another_process(answered("get_job_progress", source="archive", status="deleted"))
    assert laws_broken(judge(deleted)) == {"answers are not old"}  # it never was


def test_redis_answers_with_what_others_did() -> None:
    behind = of_another_process(answered(stages={"s1": "m1"}, source="view"))
    assert laws_broken(judge(behind)) == {"answers of Redis are of now"}
    moved = replace(behind, windows=[Window("failover", "valkey", 4.0, 5.0)])
    assert not judge(moved).violations


def test_a_forked_process_knows_what_its_parent_was_told() -> None:
    child = of_another_process(answered(stages={"s1": "m1"}, source="archive"))
    forked = recorded(Record("fork", life="other.0", at=4.0, mark=LIFE))(child)
    assert laws_broken(judge(forked)) == {"answers are not old"}


def lost(*levels: str, gaps: bool = True) -> Evidence:
    """Return evidence in which m5 was lost in a fault that takes some levels."""
    it = without(5)(sound())
    before = frozenset(it.seen)
    survived = before - {(0, (5, 0))}
    return replace(
        it,
        views={JOB: {"version": 4, "stages": {"s1": "m1", "s3": "m3"}}},
        gaps=[Gap(0, (4, 0), 6)] if gaps else [],
        losses=[Loss("empty restart", 5.5, 5.6, before, survived, frozenset(levels))],
    )


def test_a_loss_is_excused_where_a_fault_took_it_and_it_is_on_record() -> None:
    judgement = judge(lost("log"))
    assert not judgement.violations
    assert judgement.excuses == {Excuse("log", "lost in the empty restart", 5.5): 1}


@pytest.mark.parametrize(
    "it",
    [
        lost("log", gaps=False),
        lost(),
        replace(lost("log"), losses=[]),
        replace(lost("log"), losses=[lost("log").losses[0]._replace(before=frozenset())]),
    ],
    ids=["not on record", "not of that level", "no fault", "a fault before it was there"],
)
def test_no_other_loss_is_excused(it: Evidence) -> None:
    judgement = judge(it)
    assert "nothing vanishes" in laws_broken(judgement)
    assert not judgement.excuses


def test_what_was_lost_before_a_question_is_not_answered() -> None:
    def asked(at: float) -> set[str]:
        stages = {"s1": "m1", "s3": "m3", "s5": "m5"}
        question = call("q", "get_resume_point", at, at + 0.05)
        answer = record("answer", at + 0.05, call="q", stages=stages, source="view")
        return laws_broken(judge(recorded(*question, answer)(lost("log"))))

    assert asked(5.3) == asked(5.52) == set()
    assert "answers are not old" in asked(5.7)


def test_a_version_that_a_forged_entry_took_excuses_all_but_durable() -> None:
    forged = entry(5, 5, stage="forged", data={})
    ours = entry(6, 5)
    for level in ("log", "synced", "durable"):
        it = replace(
            sound(),
            seen={
                **sound().seen,
                forged.place: forged,
                ours.place: ours,
            },
            forged=frozenset([forged.place]),
            dead={**sound().dead, ours.place: "taken"},
            archived=[*sound().archived[:-1], forged._replace(at=0.0)],
            records=[
                *sound().records[:-2],
                record("ack", 6.1, mark="m6", level=level, id="6-0", version=5),
            ],
        )
        expected = {"durable is archived once"} if level == "durable" else set()
        assert laws_broken(judge(it)) == expected
        assert sum(judge(it).excuses.values()) == (level != "durable")


def test_a_stalled_process_and_a_signal_handler_take_no_time_of_a_call() -> None:
    stalled = recorded(record("pulse", 9.0, stalled=3.0))
    assert not judge(late(4.5)(stalled(sound()))).violations
    handler = recorded(*call("handler", "save", 6.0, 8.5))
    assert not judge(handler(late(4.5)(sound()))).violations


def test_errors_are_no_violation_in_a_fault_and_until_recovery() -> None:
    windows = having(windows=[Window("kill", "valkey", 5.0, 7.0)])
    assert not judge(failed("LogUnavailable", 6.9)(windows(sound()))).violations
    assert judge(failed("LogUnavailable", 7.1)(windows(sound()))).violations
    assert not judge(failed("StaleClaim")(sound())).violations


def test_what_a_deleted_life_had_is_no_answer() -> None:
    deleted = entry(6, 6, "job_deleted")
    it = replace(
        sound(),
        seen={**sound().seen, deleted.place: deleted},
        archived=[*sound().archived, deleted._replace(at=0.0)],
        views={JOB: {"version": 6, "stages": {}}},
        records=[*sound().records, record("ack", 6.1, mark="d", kind="delete", level="log")],
    )
    question = call("q", "get_resume_point", 7.0, 7.1)
    gone = record("answer", 7.1, call="q", source="view")
    back = record("answer", 7.1, call="q", source="archive", stages={"s1": "m1"})
    assert not judge(recorded(*question, gone)(it)).violations
    assert laws_broken(judge(recorded(*question, back)(it))) == {"answers are not old"}


def test_who_was_told_must_name_what_is_lost() -> None:
    def saved(number: int, version: int) -> Seen:
        return entry(number, version, stage="s", data={"mark": f"p/{number}"}, type="save")

    def told(number: int, version: int) -> Record:
        place = {"id": f"{number}-0", "version": version, "incarnation": "1-0"}
        return record("ack", float(number), mark=f"p/{number}", kind="save", **place)

    rows = [saved(1, 1), saved(2, 2), saved(3, 3), saved(7, 2), saved(9, 4)]
    naming = entry(8, 3, "events_lost", incarnation="1-0", first=2, last=3)
    before = frozenset(one.place for one in rows[:3])
    it = replace(
        sound(),
        records=[told(1, 1), told(2, 2), told(3, 3), told(7, 2), told(9, 4)],
        seen={one.place: one for one in rows},
        archived=[rows[0], *rows[3:]],
        gaps=[Gap(0, (1, 0), 7)],
        losses=[Loss("torn file", 4.0, 5.0, before, frozenset(), frozenset({"log", ""}))],
    )
    law = "what is lost is named by job"
    assert [one.law for one in judge(it).violations].count(law) == 2
    named = replace(it, archived=[*it.archived, naming])
    assert law not in laws_broken(judge(named))
