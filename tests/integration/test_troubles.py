"""Troubles: what the archive has on record, in numbers."""

from collections.abc import Iterator

import pytest
from real_log import RealLog

from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.snapshotter import dead_letters, restorations, troubles
from checkpoint.snapshotter.archive import Archive
from checkpoint.snapshotter.troubles import Troubles


@pytest.fixture
def archive(archived_log: RealLog) -> Iterator[Archive]:
    archive = archived_log.archive()
    yield archive
    archive.close()


def test_a_new_archive_has_none(archive: Archive) -> None:
    assert troubles.count(archive) == Troubles(0, 0)


def test_dead_letters_count_until_they_are_discarded(
    archived_log: RealLog, archive: Archive
) -> None:
    for _ in range(3):
        archived_log.client.xadd(archived_log.partition(1).log, {"no": "event"})
    archived_log.store()
    assert troubles.count(archive).dead_letters == 3
    dead_letters.discard(archive, dead_letters.find(archive)[0])
    assert troubles.count(archive).dead_letters == 2


def test_restorations_count(archive: Archive) -> None:
    for number in range(2):
        lost = restorations.Loss(number, ZERO, ZERO, EntryId(1, 0), "run")
        restorations.begin(lost, archive)
    assert troubles.count(archive).restorations == 2
