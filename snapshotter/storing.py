"""Storing: what one transaction adds to the archive, each entry once and in its chain."""

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from typing import Any, NamedTuple, TypeAlias

import psycopg
from psycopg import Connection
from psycopg.adapt import PyFormat

from checkpoint.events import entry as log_entry
from checkpoint.events.crash_point import crash_point
from checkpoint.events.entry import DeadLetter, Entry
from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.errors import ArchiveNotReady
from checkpoint.events.payload import storable

from .chain import Head, genesis, leaf_of
from .refusal import REFUSALS
from .rows import read_rows
from .schema import query
from .statements import Statements

ROWS_AT_ONCE = 5000
FEW, FEW_BYTES = 4, 256 * 1024
"""Up to so much goes with what ends the transaction: COPY has a round trip of its own, and another
to begin, and a durable save waits for both. What is more is faster that way."""
COLUMN_TYPES = (
    *("int2", "int8", "int8", "text", "int8", "int8", "int8"),
    *("int8", "bytea", "int8", "bytea"),
)
"""How COPY's binary rows are written. On the wire a timestamptz is an int8, microseconds since
2000, and json's bytes are as they are, like a bytea's; neither needs a Python object in between."""

BIGINT_BITS = 63
YEAR_2000_MS = 946_684_800_000


class Chapter(NamedTuple):
    """What one partition adds to the archive: its entries after `start` up to `end`."""

    partition: int
    start: EntryId
    end: EntryId
    entries: Sequence[Entry]
    dead: Sequence[DeadLetter] = ()

    def after(self, position: EntryId) -> "Chapter":
        """Return what there is of it after a position."""
        return self._replace(
            start=position,
            entries=[entry for entry in self.entries if entry.id > position],
            dead=[letter for letter in self.dead if letter.id > position],
        )


class Standing(NamedTuple):
    """How far the archive of a partition goes."""

    position: EntryId
    head: Head
    """The end of its chain."""
    chained: EntryId
    """The entry that the head is of, before the position if an earlier release stored since."""
    losses: Sequence[tuple[EntryId, EntryId]] = ()
    """Entries between two such ids were lost by Redis; of those after the position only."""
    dead: EntryId = ZERO
    """The latest dead letter, if it was asked for."""


class Archived(NamedTuple):
    """How far the archive of a partition has come."""

    position: EntryId
    dead: EntryId
    """The latest dead letter; ZERO for none."""


Placed: TypeAlias = tuple[int, Entry, int, bytes]
"""An event with its place in its partition's chain: partition, entry, number, link."""


class Buried(NamedTuple):
    """A dead letter with its place in its partition's chain."""

    partition: int
    letter: DeadLetter
    number: int
    chain: bytes


Add: TypeAlias = Callable[[Connection, Iterable[Placed], Statements], Sequence[Buried]]
"""What adds events to the table, at once or with the statements that end the transaction, and
returns those that the table refuses."""


def store(connection: Connection, chapters: Sequence[Chapter], add: Add) -> dict[int, Archived]:
    """Add chapters in one transaction; return where each of their partitions stands now."""
    with _rolling_back(connection):
        return _store(connection, chapters, add)


@contextmanager
def _rolling_back(connection: Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with suppress(psycopg.OperationalError):  # the connection is lost, and all with it
            connection.rollback()
        raise


def _store(connection: Connection, chapters: Sequence[Chapter], add: Add) -> dict[int, Archived]:
    partitions = list({chapter.partition for chapter in chapters})
    begun = Statements().add(b"BEGIN").add(query("plan_once"))
    standing = _locked(connection, begun, partitions)
    positions = {partition: one.position for partition, one in standing.items()}
    kept = [one for one in chapters if not _was_lost(one, standing[one.partition].losses)]
    new = list(_new_in(kept, positions))
    heads = {part.partition: _caught_up(connection, part.partition, standing) for part in new}
    crash_point("archive: before the rows")
    dead: list[Buried] = []
    rest = Statements()
    refused = add(connection, _placed(new, heads, dead), rest)
    for one in [*dead, *refused]:
        _bury(connection, one)
    for partition, head in heads.items():
        end = positions[partition]
        rest.run("extend_chain", *end, *end, *head, partition)
    crash_point("archive: before the commit")
    rest.add(b"COMMIT").send(connection)
    latest = {partition: one.dead for partition, one in standing.items()}
    for one in [*dead, *refused]:
        latest[one.partition] = max(latest[one.partition], one.letter.id)
    return {number: Archived(position, latest[number]) for number, position in positions.items()}


def lock(connection: Connection, partitions: Sequence[int]) -> dict[int, Standing]:
    """Say how far the archive of partitions goes, and keep it so until the transaction ends."""
    return _locked(connection, Statements(), partitions)


def _locked(
    connection: Connection, before: Statements, partitions: Sequence[int]
) -> dict[int, Standing]:
    # the driver takes longer over a list than Postgres over the statement
    numbers = f"{{{','.join(map(str, partitions))}}}"
    before.run("lock_positions", numbers).run("locked_standings", numbers)
    found = standings(before.send(connection))
    check_positions(found, partitions)
    return found


def check_positions(known: Collection[int], wanted: Collection[int]) -> None:
    """Raise ArchiveNotReady where the archive lacks the positions of partitions."""
    if missing := sorted(set(wanted) - set(known)):
        raise ArchiveNotReady(
            f"The archive has no position of partition {missing[0]}: it knows no log, or has lost "
            "rows. Restore it from a backup; `checkpoint doctor` says more"
        )


def standings(rows: Iterable[tuple[Any, ...]]) -> dict[int, Standing]:
    """Read the positions of partitions, with the heads of their chains."""
    return {
        partition: Standing(
            EntryId(int(ms), int(seq)),
            Head(number, link) if link else genesis(log, partition),
            EntryId(int(chained_ms), int(chained_seq)),
            [
                (EntryId(int(after_ms), int(after_seq)), EntryId(int(before_ms), 0))
                for after_ms, after_seq, before_ms in losses
            ],
            EntryId(*map(int, dead)) if dead else ZERO,
        )
        for partition, ms, seq, log, number, link, chained_ms, chained_seq, losses, dead in rows
    }


def _new_in(chapters: Iterable[Chapter], positions: dict[int, EntryId]) -> Iterator[Chapter]:
    """Yield what the archive lacks of chapters that follow its positions, and move those on."""
    for chapter in chapters:
        partition, start, end, _, _ = chapter
        position = positions[partition]
        if start <= position < end:
            yield chapter if start == position else chapter.after(position)
            positions[partition] = end


def _was_lost(chapter: Chapter, losses: Iterable[tuple[EntryId, EntryId]]) -> bool:
    """Say whether a chapter has entries that Redis lost: read before, and to be read anew."""
    ids = [one.id for one in chapter.entries] + [one.id for one in chapter.dead] if losses else []
    return any(after < one < before for after, before in losses for one in ids)


def _caught_up(connection: Connection, partition: int, standing: dict[int, Standing]) -> Head:
    """Chain over the rows of a release that knew of no chain, and return the head."""
    position, head, after, *_ = standing[partition]
    while after < position and (
        rows := read_rows(connection, partition, after, position, ROWS_AT_ONCE)
    ):
        for row in rows:
            head = head.over(row.leaf(partition))
        after = rows[-1].id
    return head


def _placed(
    chapters: Iterable[Chapter], heads: dict[int, Head], dead: list[Buried]
) -> Iterator[Placed]:
    """Give entries their places, in the order of the log; move the heads on, set the dead aside.

    Every event costs this, so nothing is made for it that need not be.
    """
    for partition, _, _, events, letters in chapters:
        entries: Sequence[Any] = events
        if letters:
            entries = sorted([*events, *letters], key=lambda one: one.id)
        number, chain = heads[partition]
        for one in entries:
            number += 1
            chain = sha256(chain + leaf_of(partition, one)).digest()
            if isinstance(one, DeadLetter):
                dead.append(Buried(partition, one, number, chain))
            else:
                yield partition, one, number, chain
        heads[partition] = Head(number, chain)


def add_together(
    connection: Connection, events: Iterable[Placed], rest: Statements
) -> Sequence[Buried]:
    """Add events, or raise what the driver says of one that the table refuses."""
    coming = iter(events)
    few = list(itertools.islice(coming, FEW + 1))
    if len(few) > FEW or sum(len(entry.encoded) for _, entry, _, _ in few) > FEW_BYTES:
        _copy(connection, itertools.chain(few, coming))
    else:
        for one in few:
            rest.run("insert_event", *row_of(*one))
    return ()


def _copy(connection: Connection, events: Iterable[Placed]) -> None:
    with connection.cursor() as cursor:
        # by itself psycopg takes a bytea's dumper that is written in Python, for DB-API's `Binary`
        dumper = cursor.adapters.get_dumper(bytes, PyFormat.BINARY)
        cursor.adapters.register_dumper(bytes, dumper)
        with cursor.copy(query("copy_events")) as rows:
            rows.set_types(COLUMN_TYPES)
            for one in events:
                rows.write_row(row_of(*one))


def add_singly(connection: Connection, events: Iterable[Placed], _: Statements) -> Sequence[Buried]:
    """Add events one by one; return those that the table refuses, dead letters in their places."""
    refused: list[Buried] = []
    for one in events:
        try:
            with connection.transaction():
                connection.execute(query("insert_event"), row_of(*one))
        except REFUSALS as error:
            partition, entry, number, link = one
            letter = DeadLetter(entry.id, log_entry.fields(entry), str(error).strip())
            refused.append(Buried(partition, letter, number, link))
    return refused


def _bury(connection: Connection, one: Buried) -> None:
    fields, reason = list(one.letter.fields), storable(one.letter.reason)
    values = [one.partition, *one.letter.id, fields, reason, one.number, one.chain]
    connection.execute(query("insert_dead_letter"), values)


def row_of(
    partition: int, entry: Entry, number: int | None, chain: bytes | None
) -> tuple[Any, ...]:
    """Return an entry's row in the event table; OverflowError, DataError where it can be none.

    A driver that finds that out itself may have sent half of the row to COPY (psycopg#1147).
    """
    (ms, seq), incarnation, version, event, encoded = entry
    if (ms * 1000 | seq | version | incarnation.ms | incarnation.seq) >> BIGINT_BITS:
        raise OverflowError("its id, time, incarnation or version is beyond what a bigint holds")
    if "\0" in event.job:
        raise psycopg.DataError("its job's name has a NUL, which Postgres' text cannot hold")
    at = (ms - YEAR_2000_MS) * 1000
    return (partition, ms, seq, event.job, *incarnation, version, at, encoded, number, chain)
