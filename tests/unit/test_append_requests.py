"""What a request says to the append script, and what its answers mean: no server needed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoint.events.append import Appended, Batch, Request, batches
from checkpoint.events.entry_id import EntryId
from checkpoint.events.errors import (
    CheckpointError,
    IncarnationEnded,
    JobClaimed,
    LogNotReady,
    StaleClaim,
    VersionConflict,
)
from checkpoint.events.event import JobClaimed as JobTaken
from checkpoint.events.event import JobDeleted, JobRewound, StageCompleted
from checkpoint.events.keys import PartitionKeys, partition_of


def request(job: str, stage: str = "cut") -> Request:
    return Request(StageCompleted(job=job, stage=stage))


def batch(*requests: Request) -> Batch:
    [made] = batches(requests, "ns", 1)
    return made


@given(st.lists(st.sampled_from("abcdef")), st.integers(1, 4))
def test_each_partition_has_one_call_and_jobs_keep_their_order(jobs: str, partitions: int) -> None:
    requests = [request(job, str(number)) for number, job in enumerate(jobs)]
    made = batches(requests, "ns", partitions)
    assert len(made) == len({partition_of(job, partitions) for job in jobs})
    assert sorted(id(one) for part in made for one in part.requests) == sorted(map(id, requests))
    assert len({part.key for part in made}) == len(made)
    for part in made:
        for job in "abcdef":
            stages = [
                int(one.event.stage)
                for one in part.requests
                if one.event.job == job and isinstance(one.event, StageCompleted)
            ]
            assert stages == sorted(stages)
            if stages:
                assert part.partition.partition == partition_of(job, partitions)


def test_requests_are_answered_in_their_order() -> None:
    [part] = batches([request("a", "1"), request("b"), request("a", "2")], "ns", 1)
    partition, fence_ms, jobs = part.read(b"7 5-8 1 5-8 0 2 5-2 4 4-2 1 1")
    assert (partition, fence_ms) == (0, 7)
    assert jobs == {
        "a": [
            Appended("a", EntryId(5, 8), 1, EntryId(5, 8), repeated=False),
            Appended("a", EntryId(5, 9), 2, EntryId(5, 8), repeated=False),
        ],
        "b": [Appended("b", EntryId(5, 2), 4, EntryId(4, 2), repeated=True)],
    }


def test_a_jobs_events_may_be_in_several_runs() -> None:
    reply = b"0 5-0 3 4-0 1 1 7-0 5 4-0 0 2 7-2 1 7-2 0 1"
    jobs = batch(*[request("a")] * 4).read(reply).jobs
    assert [(str(one.id), one.version) for one in jobs["a"]] == [
        ("5-0", 3),
        ("7-0", 5),
        ("7-1", 6),
        ("7-2", 1),
    ]


def test_a_call_names_every_key_that_the_script_touches() -> None:
    call = batch(request("a"), request("b"), request("a")).call(again=False)
    keys = PartitionKeys("ns", 0)
    assert call.keys == [keys.meta, keys.log, *keys.job("a"), *keys.job("b")]


def test_a_call_that_is_made_again_has_the_key_of_the_first() -> None:
    made = batch(request("a"))
    first, again = made.call(again=False), made.call(again=True)
    assert [first.args[:2], again.args[:2]] == [[made.key, 0], [made.key, 1]]
    assert first.args[2:] == again.args[2:]
    assert made.key != batch(request("a")).key


@pytest.mark.parametrize(
    ("request_", "detail"),
    [
        (request("a"), ""),
        (Request(StageCompleted(job="a", stage="cut", key="mine"), key="mine"), "cut"),
        (Request(StageCompleted(job="a", stage="cut"), key="made up"), ""),
        (Request(JobTaken(job="a", owner="w 1", lease_ms=500), kind="claim"), "500 w 1"),
        (Request(JobRewound(job="a", stage="b", stages=("b", "c")), kind="rewind"), b'["b","c"]'),
        (Request(JobRewound(job="a", stage="b", stages=("b",)), kind="fork"), ""),
    ],
)
def test_the_script_is_told_what_it_must_know_of_an_event(
    request_: Request, detail: str | bytes
) -> None:
    assert request_.arguments[-1] == detail


@pytest.mark.parametrize(
    ("reply", "error", "message"),
    [
        ([b"LOGNOTREADY"], LogNotReady, "must be created, or restored"),
        ([b"JOBCLAIMED", 2, b"worker-7", 1500], JobClaimed, "'b' is claimed by 'worker-7'.*1.5 s"),
        ([b"STALECLAIM", 1, b"9-0"], StaleClaim, "'a' is over: the claim 9-0 holds now"),
        ([b"STALECLAIM", 1, b""], StaleClaim, "its lease ran out"),
        ([b"VERSION", 2, 7], VersionConflict, "'b' is at version 7"),
        ([b"ENDED", 1, b"9-0"], IncarnationEnded, "'a'.*incarnation 9-0 lives now"),
        ([b"ENDED", 1, b""], IncarnationEnded, "no live checkpoints"),
    ],
)
def test_a_refusal_names_the_job_and_the_reason(
    reply: list[object], error: type[CheckpointError], message: str
) -> None:
    requests = batch(request("a"), request("a"), request("b"))
    with pytest.raises(error, match=message):
        requests.read(reply)


def test_a_version_of_nought_is_not_the_same_as_none() -> None:
    assert Request(JobDeleted(job="a"), expected_version=0).guards == ("", 0, "")
    assert Request(JobDeleted(job="a")).guards == ("", "", "")
