import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoint.events.keys import (
    PartitionKeys,
    members,
    parse_key,
    partition_of,
    pipelines,
    topic_meta,
)

names = st.text(min_size=1).filter(str.isprintable)


def hash_tag(key: str) -> str:
    """Return what Redis Cluster hashes of a key: the text in the first braces, if there is any."""
    tag = re.match(r"[^{]*\{([^}]+)\}", key)
    return tag[1] if tag else key


@pytest.mark.parametrize(
    ("job", "crc"),
    [
        ("123456789", 0xCBF43926),  # the check value of CRC-32/ISO-HDLC
        ("a", 0xE8B7BE43),
        ("The quick brown fox jumps over the lazy dog", 0x414FA339),
    ],
)
def test_a_jobs_partition_is_its_crc_32(job: str, crc: int) -> None:
    for partitions in (1, 2, 8, 13, 1024):
        assert partition_of(job, partitions) == crc % partitions


def test_a_job_is_hashed_as_utf_8() -> None:
    assert partition_of("ü", 2**32) == 0x63D969D5


def test_jobs_spread_over_all_partitions() -> None:
    counts = Counter(partition_of(f"job-{n}", 8) for n in range(8000))
    assert min(counts.values()) > 800


@given(names, st.integers(0, 1023))
def test_all_keys_of_a_partition_share_one_hash_tag(job: str, number: int) -> None:
    keys = PartitionKeys("ns", number)
    found = [keys.meta, keys.log, keys.position, keys.watermark, *keys.job(job)]
    assert {hash_tag(key) for key in found} == {f"ns:{number}"}
    assert len(set(found)) == len(found)


def test_jobs_cannot_take_each_others_keys() -> None:
    keys = PartitionKeys("ns", 0)
    jobs = ["a", "view:a", "head:a", "a:head", "log", "{ns:1}:log", "}"]
    found = [key for job in jobs for key in keys.job(job)]
    assert len(set(found)) == len(found)


@given(names, st.integers(0, 1023), names.filter(lambda name: not set(name) & set("{}")))
def test_every_key_can_be_read_back(job: str, number: int, namespace: str) -> None:
    keys = PartitionKeys(namespace, number)
    for key in keys.own:
        assert parse_key(namespace, key) == (key.rpartition(":")[2], number, "")
    for kind, key in zip(("head", "view.2", "requests"), keys.job(job), strict=True):
        assert parse_key(namespace, key) == (kind, number, job)
    for key in (topic_meta(namespace), pipelines(namespace)):
        assert parse_key(namespace, key) == (key.rpartition(":")[2], None, "")
    assert parse_key(namespace, members(namespace, "projector")) == ("members", None, "")
    assert parse_key(f"{namespace}x", keys.log) is None


@pytest.mark.parametrize(
    "key", ["", "ns", "{ns}", "{ns}:log", "{ns:0}:head", "{ns:x}:log", "x{ns:0}:log", "{ns:0}:a:b"]
)
def test_what_is_no_key_of_a_log_is_none(key: str) -> None:
    assert parse_key("ns", key) is None


def test_logs_have_nothing_in_common() -> None:
    one, other = PartitionKeys("ns", 1), PartitionKeys("ns2", 1)
    assert not {one.meta, one.log, *one.job("j")} & {other.meta, other.log, *other.job("j")}
    assert topic_meta("ns") != topic_meta("ns2")
    assert members("ns", "projector") != members("ns", "snapshotter")
