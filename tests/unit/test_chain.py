"""The chain and its audit: whatever is done to the rows is found, and named."""

from hashlib import sha256
from itertools import pairwise

import pytest
from histories import Act, histories, log_of
from hypothesis import assume, given
from hypothesis import strategies as st

from checkpoint.events.entry import DeadLetter, Entry, fields
from checkpoint.events.entry_id import MAX_SEQ, EntryId
from checkpoint.snapshotter.chain import Head, genesis, leaf, leaf_of
from checkpoint.snapshotter.chain_audit import LOOKS_BACK, ChainAudit
from checkpoint.snapshotter.discrepancy import Discrepancy
from checkpoint.snapshotter.rows import Row

START = genesis("log-1", 3)


def row_of(entry: Entry, head: Head) -> Row:
    """Make the row that the archive would have, the last one's head before it."""
    after = head.over(leaf_of(3, entry))
    return Row(entry.id, fields(entry), after.number, after.chain, entry.event.job)


def rows_of(entries: list[Entry]) -> list[Row]:
    rows: list[Row] = []
    head = START
    for entry in entries:
        rows.append(row_of(entry, head))
        head = head.over(leaf_of(3, entry))
    return rows


def rows(count: int) -> list[Row]:
    return rows_of(log_of([Act("complete", "j", f"stage-{n}", n) for n in range(count)]).entries)


def end_of(rows: list[Row]) -> Head:
    assert rows[-1].number is not None
    assert rows[-1].chain is not None
    return Head(rows[-1].number, rows[-1].chain)


def audited(found: list[Row], was: list[Row]) -> list[Discrepancy]:
    """Audit rows by the head on record of those that there were."""
    audit = ChainAudit(3, START)
    return [*audit.feed(found), *audit.finish(end_of(was), was[-1].id)]


def named(differences: list[Discrepancy]) -> list[tuple[str, str]]:
    return [(one.kind, one.entry) for one in differences]


def edited(row: Row) -> Row:
    return row._replace(fields=[row.fields[0], b'{"type":"forged"}', *row.fields[2:]])


def moved(row: Row, to: Row) -> Row:
    return row._replace(id=to.id)


# Leaves


def test_a_leaf_is_what_the_documentation_says() -> None:
    letter = DeadLetter(EntryId(7, 2), [b"event", b"\xff", b"", b"x"], "no event")
    expected = sha256(b"3 7-2 5 1 0 1\nevent\xffx").digest()
    assert leaf_of(3, letter) == expected


def test_the_first_link_follows_on_the_log_and_the_partition() -> None:
    first = sha256(b"3 log-1").digest()
    assert Head(0, first) == START
    assert START.over(b"l" * 32) == Head(1, sha256(first + b"l" * 32).digest())


@given(histories(max_size=8), st.integers(0, 2**15 - 1))
def test_an_event_has_the_leaf_of_its_fields(acts: list[Act], partition: int) -> None:
    for entry in log_of(acts).entries:
        assert leaf_of(partition, entry) == leaf(partition, entry.id, fields(entry))


parts = st.lists(st.binary(max_size=6), max_size=4)
ids = st.builds(EntryId, st.integers(0, MAX_SEQ), st.integers(0, MAX_SEQ))
hashed = st.tuples(st.integers(0, 300), ids, parts)


@given(hashed, hashed)
def test_what_differs_has_another_leaf(
    one: tuple[int, EntryId, list[bytes]], other: tuple[int, EntryId, list[bytes]]
) -> None:
    assume(one != other)
    assert leaf(*one) != leaf(*other)


# Audits


@given(histories(max_size=20).filter(bool))
def test_a_chain_as_it_was_made_is_well(acts: list[Act]) -> None:
    made = rows_of(log_of(acts).entries)
    assert audited(made, made) == []


def test_an_empty_archive_is_well() -> None:
    audit = ChainAudit(3, START)
    assert list(audit.finish(START, EntryId(0, 0))) == []


@pytest.mark.parametrize("place", [0, 2, 5])
def test_an_edited_row_is_named_and_only_that(place: int) -> None:
    was = rows(6)
    now = [*was[:place], edited(was[place]), *was[place + 1 :]]
    [found] = audited(now, was)
    assert (found.kind, found.entry, found.job) == ("edited", str(was[place].id), "j")
    assert found.version == place + 1


@pytest.mark.parametrize(("first", "count"), [(0, 1), (2, 1), (2, 3)])
def test_removed_rows_are_counted_between_their_neighbours(first: int, count: int) -> None:
    was = rows(6)
    [found] = audited([*was[:first], *was[first + count :]], was)
    assert (found.kind, found.entry) == ("removed", str(was[first + count].id))
    before = f"entry {was[first - 1].id}" if first else "the beginning"
    assert found.what == f"{count} rows between {before} and this one are gone"


def test_an_end_that_was_cut_off_is_found() -> None:
    was = rows(6)
    [found] = audited(was[:4], was)
    assert found.kind == "removed"
    assert found.what == f"2 rows after entry {was[3].id} up to {was[5].id} are gone"


def test_an_archive_that_was_emptied_is_found() -> None:
    [found] = audited([], rows(3))
    assert found.kind == "removed"
    assert "3 rows after the beginning" in found.what


@pytest.mark.parametrize("link", [b"x" * 32, None])
def test_an_inserted_row_is_named_and_only_that(link: bytes | None) -> None:
    was = rows(6)
    name = EntryId(was[2].id.ms, was[2].id.seq * 10 + 1)
    forged = edited(was[2])._replace(id=name, chain=link, number=None)
    [found] = audited([*was[:3], forged, *was[3:]], was)
    assert (found.kind, found.entry) == ("inserted", str(name))


@pytest.mark.parametrize("link", [b"x" * 32, None])
def test_a_row_that_was_put_at_the_end_is_named(link: bytes | None) -> None:
    was = rows(3)
    forged = edited(was[2])._replace(id=EntryId(2**50, 0), chain=link, number=None)
    found = audited([*was, forged], was)
    assert found
    assert {one.kind for one in found} <= {"inserted", "edited"}


def test_an_inserted_row_with_a_link_of_its_own_is_named() -> None:
    was = rows(6)
    head = end_of(was[:3])
    forged = edited(was[2])._replace(id=EntryId(was[2].id.ms, 99))
    after = head.over(forged.leaf(3))
    forged = forged._replace(number=after.number, chain=after.chain)
    assert named(audited([*was[:3], forged, *was[3:]], was)) == [("inserted", str(forged.id))]


def test_neighbours_that_changed_places_are_both_named() -> None:
    was = rows(6)
    now = [*was[:2], moved(was[3], was[2]), moved(was[2], was[3]), *was[4:]]
    found = [("reordered", str(was[2].id)), ("reordered", str(was[3].id))]
    assert named(audited(now, was)) == found


def test_rows_that_changed_places_from_afar_are_found() -> None:
    was = rows(8)
    now = [*was]
    now[1], now[6] = moved(was[6], was[1]), moved(was[1], was[6])
    entries = [one.entry for one in audited(now, was)]
    assert str(was[1].id) in entries
    assert str(was[6].id) in entries


def test_two_edits_are_two_differences() -> None:
    was = rows(9)
    now = [*was]
    now[2], now[6] = edited(was[2]), edited(was[6])
    assert named(audited(now, was)) == [("edited", str(was[2].id)), ("edited", str(was[6].id))]


def test_a_chain_of_another_log_is_wrong_at_its_first_row() -> None:
    was = rows(LOOKS_BACK * 3)
    audit = ChainAudit(3, genesis("log-2", 3))
    found = [*audit.feed(was), *audit.finish(end_of(was), was[-1].id)]
    assert named(found) == [("edited", str(was[0].id))]


def test_a_chain_of_nothing_but_noise_is_found_row_by_row() -> None:
    was = rows(LOOKS_BACK * 3)
    noise = [row._replace(chain=sha256(row.fields[1]).digest()) for row in was]
    assert len(audited(noise, was)) >= len(was)


def test_a_leaf_in_the_place_of_a_row_fits_and_is_counted() -> None:
    was = rows(5)
    now = [*was]
    now[2] = was[2]._replace(fields=[], job=None, discarded=was[2].leaf(3))
    audit = ChainAudit(3, START)
    assert [*audit.feed(now), *audit.finish(end_of(was), was[-1].id)] == []
    assert audit.discarded == 1


def test_an_empty_leaf_in_the_place_of_a_row_is_found() -> None:
    was = rows(5)
    now = [*was]
    now[2] = was[2]._replace(discarded=b"")
    assert named(audited(now, was)) == [("edited", str(was[2].id))]


def test_a_changed_number_is_found() -> None:
    was = rows(5)
    now = [*was[:2], was[2]._replace(number=2), *was[3:]]
    assert ("edited", str(was[2].id)) in named(audited(now, was))


def unlinked(rows: list[Row]) -> list[Row]:
    return [row._replace(chain=None, number=None) for row in rows]


def test_rows_of_an_earlier_release_are_covered_and_noted() -> None:
    was = rows(6)
    now = [was[0], *unlinked(was[1:4]), *was[4:]]
    audit = ChainAudit(3, START)
    assert [*audit.feed(now), *audit.finish(end_of(was), was[-1].id)] == []
    [note] = audit.notes
    assert f"3 rows from {was[1].id} to {was[3].id}" in note


def test_an_edit_of_a_row_of_an_earlier_release_is_found_at_the_next_link() -> None:
    was = rows(6)
    now = [was[0], *unlinked([was[1], edited(was[2])]), *was[3:]]
    assert named(audited(now, was)) == [("edited", str(was[3].id))]


def test_a_row_of_an_earlier_release_that_was_removed_is_missed() -> None:
    was = rows(6)
    now = [was[0], *unlinked([was[1]]), *was[3:]]
    [found] = audited(now, was)
    assert (found.kind, found.entry) == ("removed", str(was[3].id))


Tampering = st.sampled_from(["edit", "remove", "insert", "swap", "unlink and edit"])


@given(st.integers(2, 40), Tampering, st.data())
def test_no_tampering_goes_unseen(size: int, how: str, draw: st.DataObject) -> None:
    was = rows(size)
    now = [*was]
    place = draw.draw(st.integers(0, size - 2), label="place")
    match how:
        case "edit":
            now[place] = edited(was[place])
        case "remove":
            del now[place]
        case "insert":
            number = draw.draw(st.none() | st.integers(1, size), label="number")
            link = draw.draw(st.none() | st.just(was[place].chain), label="link")
            forged = edited(was[place])._replace(
                id=EntryId(was[place].id.ms, 10_000), number=number, chain=link
            )
            now.insert(place + 1, forged)
        case "swap":
            other = draw.draw(st.integers(place + 1, size - 1), label="other")
            now[place], now[other] = moved(was[other], was[place]), moved(was[place], was[other])
        case "unlink and edit":
            now[place] = edited(was[place])._replace(chain=None, number=None)
    assert audited(now, was)


def test_the_rows_of_these_tests_are_chained() -> None:
    for one, other in pairwise(rows(4)):
        assert one.chain is not None
        assert one.number is not None
        assert Head(one.number, one.chain).over(other.leaf(3)).chain == other.chain
