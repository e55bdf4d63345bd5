"""How members share partitions: pure, and the same for everybody."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoint.events.members import share

names = st.sets(st.text("abcdef0123456789:-", min_size=1, max_size=20), min_size=1, max_size=8)
partitions = st.integers(1, 64)


@given(names, partitions)
def test_every_partition_has_one_live_owner(members: set[str], count: int) -> None:
    owners = share(members, count)
    assert sorted(owners) == list(range(count))
    assert set(owners.values()) <= members


@given(st.permutations(["a:1", "b:2", "c:3", "d:4"]), partitions)
def test_everybody_comes_to_the_same_shares(members: list[str], count: int) -> None:
    assert share(members, count) == share(sorted(members), count)


@given(names, partitions)
def test_nobody_has_more_than_an_even_share_rounded_up(members: set[str], count: int) -> None:
    most = -(-count // len(members))
    assert max(Counter(share(members, count).values()).values()) <= most


def test_two_members_have_half_each() -> None:
    owners = share({"host:1:aa", "host:2:bb"}, 8)
    assert sorted(Counter(owners.values()).values()) == [4, 4]


@pytest.mark.parametrize("leaver", ["a", "b", "c", "d"])
def test_most_partitions_stay_where_they_are_when_a_member_leaves(leaver: str) -> None:
    members = {"a", "b", "c", "d"}
    before, after = share(members, 64), share(members - {leaver}, 64)
    moved = [one for one in before if before[one] != leaver and before[one] != after[one]]
    assert len(moved) <= 16


def test_nobody_shares_nothing() -> None:
    assert share(set(), 8) == {}


def test_shares_are_fixed_for_all_releases() -> None:
    owners = share({"alpha", "beta", "gamma"}, 8)
    assert list(owners.values()) == [
        *["beta"] * 3,
        *["alpha", "gamma", "alpha", "gamma", "gamma"],
    ]
