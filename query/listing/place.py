"""Finding the place of a log that there is: who only reads creates none."""

from checkpoint.events.creation import Log, find_log
from checkpoint.events.errors import LogNotReady, LogUnavailable
from checkpoint.events.freshness import Place
from checkpoint.events.steps import AskArchive, Steps


def find_place(namespace: str, *, has_archive: bool) -> Steps[Place]:
    """Say where a log is: Redis knows, and if it is away or empty the archive does.

    LogNotReady where neither knows of such a log; LogUnavailable where Redis is away and there is
    no archive.
    """
    try:
        log = yield from find_log(namespace)
    except LogUnavailable:
        if not has_archive:
            raise
        log = None
    if log is None and has_archive:
        known: Log | None = yield AskArchive(lambda archive: archive.find_log())
        log = known
    if log is None:
        raise LogNotReady(
            f"There is no log {namespace!r} yet: its first save or worker creates it. "
            "CHECKPOINT_NAMESPACE names the log"
        )
    return Place(namespace, log.partitions, has_archive)
