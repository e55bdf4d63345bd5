"""What a request says to the append script, and what its answers mean: no server needed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoint.events.append import Batch, Request, batches
from checkpoint.events.entry_id import EntryId
from checkpoint.events.errors import (
    CheckpointError,
    IncarnationEnded,
    JobClaimed,
    LogNotReady,
    StaleClaim,
    VersionConflict,
)
from checkpoint.events.event import JobDeleted, StageCompleted
from checkpoint.events.keys import PartitionKeys, partition_of


def request(job: str, stage: str = "cut") -> Request:
    return Request(StageCompleted(job=job, stage=stage))


def batch(*requests: Request) -> Batch:
    return Batch(PartitionKeys("ns", 0), requests)


@given(st.lists(st.sampled_from("abcdef")), st.integers(1, 4))
def test_each_partition_has_one_call_and_jobs_keep_their_order(jobs: str, partitions: int) -> None:
    requests = [request(job, str(number)) for number, job in enumerate(jobs)]
    made = batches(requests, "ns", partitions)
    assert len(made) == len({partition_of(job, partitions) for job in jobs})
    assert sorted(id(one) for part in made for one in part.requests) == sorted(map(id, requests))
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
    reply = [b"OK", 7, b"5-0", 1, b"5-0", 0, b"5-1", 2, b"5-0", 0, b"5-2", 1, b"5-2", 1]
    partition, fence_ms, answers = part.read(reply)
    assert (partition, fence_ms) == (0, 7)
    assert [(one.job, one.version) for one in answers] == [("a", 1), ("a", 2), ("b", 1)]
    assert answers[1].incarnation == EntryId(5, 0)
    assert [one.repeated for one in answers] == [False, False, True]


def test_a_call_names_every_key_that_the_script_touches() -> None:
    call = batch(request("a"), request("b"), request("a")).call(retry=False)
    keys = PartitionKeys("ns", 0)
    assert call.keys == [keys.meta, keys.log, *keys.job("a"), *keys.job("b")]


def test_an_own_key_is_remembered_and_a_made_up_one_is_looked_for_in_a_retry_only() -> None:
    own = Request(JobDeleted(job="a"), key="mine")
    assert own.arguments(retry=False)[3:5] == ["mine", "job"]
    assert own.arguments(retry=True)[3:5] == ["mine", "job"]
    made_up = Request(JobDeleted(job="a"))
    assert made_up.arguments(retry=False)[3:5] == [made_up.call_key, "call"]
    assert made_up.arguments(retry=True)[3:5] == [made_up.call_key, "retry"]
    assert made_up.call_key != Request(JobDeleted(job="a")).call_key


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
    assert Request(JobDeleted(job="a"), expected_version=0).guards == ["", 0, ""]
    assert Request(JobDeleted(job="a")).guards == ["", "", ""]
