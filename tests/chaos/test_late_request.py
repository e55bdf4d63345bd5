"""A request that was cut off on its way may still arrive after it was sent again."""

from real_log import RealLog

from checkpoint.events.append import Request
from checkpoint.events.event import StageCompleted


def test_a_request_that_arrives_after_its_retry_is_the_same_event(archived_log: RealLog) -> None:
    call = archived_log.batches(Request(StageCompleted(job="job", stage="cut")))
    (again,) = archived_log.send(call, again=True)
    (late,) = archived_log.send(call)
    assert late == again._replace(repeated=True)
    assert archived_log.events() == 1


def test_so_it_is_after_other_events_and_in_a_view(archived_log: RealLog) -> None:
    request = Request(StageCompleted(job="job", stage="cut"))
    calls = [archived_log.batches(request) for _ in range(3)]
    for call in calls:
        archived_log.send(call, again=True)
    archived_log.project()
    for call in calls:
        (late,) = archived_log.send(call)
        assert late.repeated
    assert archived_log.events() == 3
