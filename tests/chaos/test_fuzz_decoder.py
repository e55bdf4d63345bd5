"""Whatever stands in the log: an event or a dead letter comes out of it, and the rest goes on."""

from histories import json_values
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from real_log import RealLog

from checkpoint.events import codec
from checkpoint.events.append import Request
from checkpoint.events.entry import EVENT, INCARNATION, VERSION, decode_all
from checkpoint.events.event import UPCASTERS, StageCompleted

TAGS = [
    "stage_completed",
    "stage_failed.2",
    "job_deleted",
    "job_claimed",
    "job_renewed",
    "job_released",
]
NAMES = ["type", "job", "ttl_ms", "stage", "pipeline", "data", "error", "owner", "lease_ms", "key"]

almost_events = st.dictionaries(st.sampled_from(NAMES), json_values).flatmap(
    lambda event: st.sampled_from([*TAGS, *UPCASTERS, "from the future"]).map(
        lambda tag: codec._encoder.encode({**event, "type": tag})  # noqa: SLF001 - as it writes
    )
)
deep = st.integers(1, 200_000).map(lambda depth: b"[" * depth)
nested = st.integers(1, 5000).map(
    lambda depth: (
        b'{"type":"stage_completed","job":"j","stage":"s","data":'
        + b"[" * depth
        + b"]" * depth
        + b"}"
    )
)
numbers = st.integers().map(lambda number: str(number).encode())
ids = st.builds(lambda ms, seq: f"{ms}-{seq}".encode(), st.integers(), st.integers())

texts = st.binary(max_size=60) | almost_events | deep | nested | numbers | ids
names = st.sampled_from([EVENT, VERSION, INCARNATION]) | st.binary(max_size=10)
fields = st.lists(st.tuples(names, texts), min_size=1, max_size=6).map(
    lambda pairs: [part for pair in pairs for part in pair]
)


@settings(max_examples=700, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(fields, max_size=4))
def test_every_entry_is_an_event_or_a_dead_letter(rows: list[list[bytes]]) -> None:
    raw = [(f"{number}-0".encode(), row) for number, row in enumerate(rows)]
    entries, dead = decode_all(raw)
    assert sorted([*(one.id.ms for one in entries), *(one.id.ms for one in dead)]) == list(
        range(len(rows))
    )
    assert all(letter.reason for letter in dead)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(fields, min_size=1, max_size=5))
def test_views_and_archive_go_on_after_whatever_somebody_adds_by_hand(
    archived_log: RealLog, rows: list[list[bytes]]
) -> None:
    log = archived_log
    job = f"job-{log.events()}"
    partition = log.partition_of(job)
    before = log.client.xlen(partition.log)
    for row in rows:
        log.client.execute_command("XADD", partition.log, "*", *row)
    (saved,) = log.append(Request(StageCompleted(job=job, stage="cut")))
    log.project()
    log.store()
    assert log.client.xlen(partition.log) == before + len(rows) + 1
    assert log.view(job).id == saved.id
    archive = log.archive()
    assert [entry.id for entry in archive.job_entries(job)[0]] == [saved.id]
    assert archive.positions()[partition.partition] == saved.id
    archive.close()
