"""Capsules: what is written comes back as it was, and whatever was changed is found."""

from datetime import UTC, datetime

import pytest
from histories import JOBS, Act, histories, json_values, log_of
from hypothesis import given
from hypothesis import strategies as st

from checkpoint.events import codec
from checkpoint.events.entry import Entry
from checkpoint.events.entry_id import EntryId
from checkpoint.events.errors import CheckpointError, InvalidCapsule
from checkpoint.events.event import AnyEvent, JobDeleted, StageCompleted
from checkpoint.query.capsule import Capsule, CapsuleWriter, Header, latest_life, read_capsule

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
    ],
)
def test_what_no_log_would_take_is_found_though_the_digest_is_right(
    event: AnyEvent, said: str
) -> None:
    with pytest.raises(InvalidCapsule, match=f"Line 2 of the capsule: .*{said}"):
        read_capsule(written([entry(1, event)]))


def test_the_latest_life_is_the_last_incarnation() -> None:
    entries = read_capsule(SMALL).entries
    assert latest_life(entries) == entries[2:]
    assert latest_life([]) == []
