"""Recent entries: the archive read backwards, and what it knows of many jobs at once."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from psycopg import Connection

from checkpoint.events import codec
from checkpoint.events.entry import Entry
from checkpoint.events.entry_id import EntryId

from .archive import Archive
from .schema import query

MAX_SEQ = 2**63 - 1
"""The greatest sequence number that the archive can hold; Redis has greater ones."""


class Recent(NamedTuple):
    """An entry of the archive, without what it says."""

    partition: int
    id: EntryId
    job: str
    number: int
    """How many were looked at down to it."""


def entries_before(
    bounds: Mapping[int, EntryId], limit: int, name: str, archive: Archive
) -> list[Recent]:
    """Look at the last `limit` entries before an entry id, of each partition that is bound so.

    Returns, in no order, those of jobs with `name` in their names, and the last that was looked at
    where there may be more.
    """
    values = {
        "partitions": list(bounds),
        "ms": [bound.ms for bound in bounds.values()],
        "seq": [min(bound.seq, MAX_SEQ) for bound in bounds.values()],
        "limit": limit,
        "name": name,
    }

    def read(connection: Connection) -> list[Recent]:
        rows = connection.execute(query("recent_entries"), values)
        return [
            Recent(partition, EntryId(ms, seq), job, number)
            for partition, ms, seq, job, number in rows
        ]

    return archive.transact(read)


def job_outlines(jobs: Sequence[str], archive: Archive) -> dict[str, list[Entry]]:
    """Return the events of the latest incarnation of jobs, without their data.

    Jobs that the archive does not know are left out.
    """

    def read(connection: Connection) -> dict[str, list[Entry]]:
        found: dict[str, list[Entry]] = {}
        for ms, seq, born_ms, born_seq, version, text in connection.execute(
            query("job_outlines"), [list(jobs)]
        ):
            encoded = text.encode()
            event = codec.decode(encoded)
            entry = Entry(EntryId(ms, seq), EntryId(born_ms, born_seq), version, event, encoded)
            found.setdefault(event.job, []).append(entry)
        return found

    return archive.transact(read)
