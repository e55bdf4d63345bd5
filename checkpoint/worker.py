"""Running a worker: the log is found or created, then Faust runs the projector or snapshotter."""

import importlib
import logging
import threading
import time
from contextlib import suppress
from typing import Any

from faust import Worker

from checkpoint.events.errors import ArchiveUnavailable, LogNotReady, LogUnavailable
from checkpoint.events.settings import Settings

from .core import Core
from .restore import keep_whole
from .servers import Servers

PATIENCE_SECONDS = 2.0
WATCH_SECONDS = 1.0

log = logging.getLogger(__name__)


def run_worker(kind: str, settings: Settings, loglevel: str) -> None:
    """Run a worker until SIGINT or SIGTERM; prints `ready` once it knows its partitions.

    Servers that are away are waited for. Raises InvalidSettings, PartitionCountMismatch,
    ArchiveNotConfigured or SchemaTooNew at once: waiting would not help.
    """
    app = importlib.import_module(f"checkpoint.{kind}.app").create_app(settings)

    async def tell(_: Any, assigned: set[Any], **__: Any) -> None:
        numbers = ", ".join(str(tp.partition) for tp in sorted(assigned))
        print(f"ready: {kind} has partitions {numbers or 'none'}", flush=True)  # noqa: T201

    app.on_partitions_assigned.connect(tell, weak=False)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level="INFO")
    _wait_for_log(kind, settings)
    worker = Worker(app, loglevel=loglevel, quiet=True)
    worker.spinner = None  # it hides the cursor, even of a file
    worker.execute_from_commandline()


def _wait_for_log(kind: str, settings: Settings) -> None:
    servers = Servers(settings)
    if kind == "snapshotter":
        threading.Thread(target=_keep_whole, args=[settings], name="restore", daemon=True).start()
    while True:
        try:
            servers.run(Core(settings).open())
        except (LogUnavailable, LogNotReady, ArchiveUnavailable) as error:
            log.warning("Waiting for the log: %s", error)
            time.sleep(PATIENCE_SECONDS)
        else:
            return servers.close()


def _keep_whole(settings: Settings) -> None:
    """Restore the log whenever Redis has lost something of it, for ever."""
    servers = Servers(settings)
    while True:
        with suppress(LogUnavailable, ArchiveUnavailable):
            try:
                servers.run(keep_whole(settings.namespace, log.warning))
            except LogNotReady as error:
                log.warning("The log cannot be restored: %s", error)
        time.sleep(WATCH_SECONDS)
