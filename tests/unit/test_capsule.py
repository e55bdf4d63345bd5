"""Capsules: what is written comes back as it was, and whatever was changed is found."""

from datetime import UTC, datetime
from hashlib import sha256

import msgspec
import pytest
from histories import JOBS, Act, histories, json_values, log_of
from hypothesis import given
from hypothesis import strategies as st

from checkpoint.events import codec
from checkpoint.events.entry import Entry
from checkpoint.events.entry_id import EntryId
from checkpoint.events.errors import CheckpointError, InvalidCapsule
from checkpoint.events.event import (
    MESSAGE_CHARACTERS,
    AnyEvent,
    JobClaimed,
    JobDeleted,
    JobForked,
    JobRewound,
    StageCompleted,
    StageFailed,
)
from checkpoint.query.capsule import (
    CENTURY_MS,
    Capsule,
    CapsuleWriter,
    Header,
    latest_life,
    read_capsule,
)

HEADER = Header(
    job="film-1",
    pipeline="film",
    stages=("cut", "mix"),
    namespace="checkpoint",
    log="1" * 32,
    exported_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    release="0.1.0",
)


def written(entries: list[Entry], header: Header = HEADER) -> bytes:
    lines: list[bytes] = []
    writer = CapsuleWriter(header, lines.append)
    for entry in entries:
        writer.add(entry)
    assert writer.close() == len(entries)
    return b"".join(lines)


def sealed(*lines: bytes) -> bytes:
    head = b"".join(line + b"\n" for line in lines)
    digest = sha256(head).hexdigest().encode()
    return head + b'{"entries":%d,"sha256":"%b"}\n' % (len(lines) - 1, digest)


def entry(
    version: int,
    event: AnyEvent | None = None,
    *,
    born: int = 1,
    at: int | None = None,
    encoded: bytes | None = None,
) -> Entry:
    """Make an entry of a job's life that began at `born`."""
    said = event or StageCompleted(job="film-1", stage=f"stage-{version}")
    name = EntryId(born + version - 1 if at is None else at, 0)
    return Entry(name, EntryId(born, 0), version, said, encoded or codec.encode(said))


SMALL = written(
    [entry(1), entry(2, JobDeleted(job="film-1")), entry(1, born=9), entry(2, born=9)],
)


@given(
    acts=histories(("complete", "complete", "fail", "rewind", "delete", "claim", "release")),
    job=st.sampled_from(JOBS),
)
def test_a_capsule_comes_back_as_it_was(acts: list[Act], job: str) -> None:
    entries = log_of(acts).of(job)
    header = Header(
        job=job,
        pipeline="film",
        stages=(),
        namespace="x",
        log="y",
        exported_at=HEADER.exported_at,
        release="1",
    )
    if not entries:
        assert written(entries, header) == b""
        return
    assert read_capsule(written(entries, header)) == Capsule(header, entries)


@given(json_values, st.sampled_from([b"", b" ", b"\n", b"\r\n", b"\t"]))
def test_an_events_own_bytes_are_kept_whatever_white_space_they_have(
    data: object, space: bytes
) -> None:
    plain = codec.encode(StageCompleted(job="film-1", stage="cut"))
    odd = space + plain.replace(b",", b"," + space) + space
    (back,) = read_capsule(written([entry(1, codec.decode(odd), encoded=odd)])).entries
    assert back.encoded == odd


def test_every_cut_is_found() -> None:
    for length in range(len(SMALL)):
        with pytest.raises(InvalidCapsule):
            read_capsule(SMALL[:length])


def test_every_flipped_bit_is_found() -> None:
    for place in range(len(SMALL)):
        for bit in range(8):
            edited = bytearray(SMALL)
            edited[place] ^= 1 << bit
            with pytest.raises(InvalidCapsule):
                read_capsule(bytes(edited))


@given(place=st.integers(0, len(SMALL)), more=st.binary(min_size=1, max_size=40))
def test_whatever_is_put_in_is_found(place: int, more: bytes) -> None:
    with pytest.raises(InvalidCapsule):
        read_capsule(SMALL[:place] + more + SMALL[place:])


@given(st.binary(max_size=200))
def test_what_is_no_capsule_is_said_to_be_none(content: bytes) -> None:
    with pytest.raises(InvalidCapsule):
        read_capsule(content)


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(InvalidCapsule, match="not a capsule"):
        read_capsule(b"{}\n")
    with pytest.raises(InvalidCapsule, match="not a capsule: it is empty"):
        read_capsule(b"")
    with pytest.raises(InvalidCapsule, match="format version 2, and this release reads 1"):
        read_capsule(SMALL.replace(b'"capsule":1', b'"capsule":2'))
    with pytest.raises(InvalidCapsule, match="truncated"):
        read_capsule(SMALL[: SMALL.index(b'{"entries"')])
    with pytest.raises(InvalidCapsule, match="was changed after it was written"):
        read_capsule(SMALL.replace(b"stage-2", b"stage-3"))


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([entry(2)], "version 1 of that life .* is missing"),
        ([entry(1), entry(3)], "version 2 of that life .* is missing"),
        ([entry(1), entry(2), entry(2, at=7)], "has version 2, and version 3"),
        ([entry(1), entry(2, born=9)], "version 1 of that life"),
        ([entry(1), entry(2, at=1)], "does not come after"),
        ([entry(1, at=7)], "is not of the life"),
    ],
)
def test_a_capsule_is_whole_or_is_not_written(entries: list[Entry], said: str) -> None:
    with pytest.raises(CheckpointError, match=said):
        written(entries)


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (StageCompleted(job="film-2", stage="cut"), "job 'film-2', not of 'film-1'"),
        (StageCompleted(job="film-1", stage="cut", ttl_ms=0), "ttl_ms=0: it is from 1 to"),
        (StageCompleted(job="film-1", stage="cut", ttl_ms=2**62), "ttl_ms="),
        (StageCompleted(job="film-1", stage="cut", took_ms=-5), "took_ms=-5: it is from 0 to"),
        (StageCompleted(job="film-1", stage="cut", took_ms=2**63 - 1), "took_ms=9223"),
        (StageFailed(job="film-1", stage="cut", took_ms=CENTURY_MS + 1), "took_ms="),
        (StageCompleted(job="film-1", stage=""), "A stage's name is printable"),
        (StageCompleted(job="film-1", stage="x" * 513), "A stage's name takes at most 512 bytes"),
        (StageCompleted(job="film-1", stage="cut", pipeline="x\033[2J"), "A pipeline's name is"),
        (StageCompleted(job="film-1", stage="cut", key="\n"), "A key's name is printable"),
        (StageCompleted(job="film-1", stage="cut", trace="\033]0;x\007"), "A trace's name is"),
        (StageFailed(job="film-1", stage="\t"), "A stage's name is printable"),
        (StageFailed(job="film-1", stage="cut", message="x" * 2001), "message has 2,001 char"),
        (StageFailed(job="film-1", stage="cut", error="x" * 2001), "error has 2,001 characters"),
        (
            StageFailed(job="film-1", stage="cut", message="a\0b"),
            "message is .*: Postgres",
        ),
        (JobRewound(job="film-1", stage="cut", stages=("cut", "\033")), "A stage's name is"),
        (JobRewound(job="film-1", stage="", stages=("cut",)), "A stage's name is printable"),
        (JobClaimed(job="film-1", owner="", lease_ms=1), "A owner's name is printable"),
        (JobClaimed(job="film-1", owner="me", lease_ms=2**62), "lease_ms="),
        (JobForked(job="film-1", source="", incarnation="1-0", version=1), "A job's name is"),
    ],
)
def test_what_no_log_would_take_is_found_though_the_digest_is_right(
    event: AnyEvent, said: str
) -> None:
    with pytest.raises(InvalidCapsule, match=f"Entry 1 of the capsule, in line 2: .*{said}"):
        read_capsule(written([entry(1, event)]))


def test_what_a_manager_would_append_at_most_is_read() -> None:
    failed = StageFailed(
        job="film-1", stage="cut", took_ms=CENTURY_MS, error="E", message="x" * MESSAGE_CHARACTERS
    )
    (back,) = read_capsule(written([entry(1, failed)])).entries
    assert back.event == failed


def test_the_entry_that_is_wrong_is_named() -> None:
    wrong = StageFailed(job="film-1", stage="cut", took_ms=-1)
    with pytest.raises(InvalidCapsule, match="Entry 3 of the capsule, in line 4: took_ms=-1"):
        read_capsule(written([entry(1), entry(2), entry(3, wrong)]))


def test_an_entry_of_no_time_is_found() -> None:
    with pytest.raises(InvalidCapsule, match="Its id says a time after the year 9000"):
        read_capsule(written([entry(1, born=2**63)]))


def test_a_capsule_without_entries_is_none() -> None:
    head = SMALL.split(b"\n")[0] + b"\n"
    last = b'{"entries":0,"sha256":"%b"}\n' % sha256(head).hexdigest().encode()
    with pytest.raises(InvalidCapsule, match="has no entries, and a job has one at least"):
        read_capsule(head + last)


def test_the_latest_life_is_the_last_incarnation() -> None:
    entries = read_capsule(SMALL).entries
    assert latest_life(entries) == entries[2:]
    assert latest_life([]) == []


@pytest.mark.parametrize("levels", [101, 1000, 100_000])
@pytest.mark.parametrize("place", ["header", "line", "event", "data", "text"])
def test_what_nests_too_deep_is_no_capsule(place: str, levels: int) -> None:
    deep = b"[" * levels + b"]" * levels
    data = b'{"type":"stage_completed","job":"film-1","stage":"cut","data":%b}' % deep
    event = {"event": deep, "data": data, "text": msgspec.json.encode(data.decode())}.get(place)
    header = msgspec.json.encode(HEADER)
    if place == "header":
        header = header[:-1] + b',"more":%b}' % deep
    line = b'{"id":"1-0","incarnation":"1-0","version":1,"event":%b}' % (event or b"{}")
    if place == "line":
        line = line[:-1] + b',"more":%b}' % deep
    with pytest.raises(InvalidCapsule):
        read_capsule(sealed(header, line))
