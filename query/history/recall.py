"""Recalling: what a job was before one of its entries, where a long replay has forgotten it."""

from collections.abc import Mapping, Sequence

from checkpoint.events.entry import Entry
from checkpoint.events.freshness import Place
from checkpoint.events.steps import AskArchive, Steps
from checkpoint.projector.fold import NOTHING, JobState, fold_all
from checkpoint.query.replay import replay_job

from .audit import Recall
from .stream import Run


def recaller(run: Run, place: Place, *, has_log: bool) -> Recall | None:
    """Return what finds forgotten states; None without an archive, where each takes a whole log."""
    if not place.has_archive:
        return None
    return lambda entries: run(_recalled(place, entries, has_log=has_log))


def _recalled(
    place: Place, entries: Sequence[Entry], *, has_log: bool
) -> Steps[dict[str, JobState]]:
    wanted = {entry.event.job: entry.incarnation for entry in entries}
    lives: Mapping[str, list[Entry]] = yield AskArchive(lambda archive: archive.lives(wanted))
    states = {}
    for entry in entries:
        before = _before(entry, lives.get(entry.event.job, ()))
        # the archive may not have come to all that the log told of
        if has_log and len(before) < entry.version - 1:
            before = _before(entry, (yield from replay_job(place, entry.event.job)))
        states[entry.event.job] = fold_all(NOTHING, before)
    return states


def _before(entry: Entry, known: Sequence[Entry]) -> list[Entry]:
    """Return what comes before an entry in its incarnation, without bytes, as pages have it."""
    return [
        one._replace(encoded=b"")
        for one in known
        if one.incarnation == entry.incarnation and one.id < entry.id
    ]
