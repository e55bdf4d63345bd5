"""Running a worker: the log is found or created, then Faust runs the projector or snapshotter."""

import gc
import importlib
import logging
import os
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from threading import Thread
from typing import TYPE_CHECKING, Any

from faust import Worker

from checkpoint.events.errors import (
    ArchiveUnavailable,
    CheckpointError,
    InvalidSettings,
    LogNotReady,
    LogUnavailable,
)
from checkpoint.events.outage import Outage
from checkpoint.events.settings import Settings
from checkpoint.events.steps import AskArchive, Steps
from checkpoint.events.tracing import observe_traces
from checkpoint.events.work import told

from .core import Core
from .doctor import check_clocks, check_same_log
from .lookout import look_out
from .restore import keep_whole
from .servers import Servers

if TYPE_CHECKING:
    from .metrics import Metrics

NO_METRICS = "Metrics need prometheus-client: pip install 'checkpoint-log[metrics]'\n"
WATCH_SECONDS = 1.0
GARBAGE = 100_000
"""Objects more than before after which Python looks for cycles among them. The entries of a slice
are many and in no cycle, and at Python's own 700 it looks at each of them again and again."""

log = logging.getLogger(__name__)


def run_worker(kind: str, settings: Settings, loglevel: str) -> None:
    """Run a worker until SIGINT or SIGTERM; prints `ready` once it knows its partitions.

    Servers that are away are waited for. Raises InvalidSettings, PartitionCountMismatch,
    ArchiveNotConfigured, UnsupportedServer or SchemaTooNew at once: waiting would not help.
    """
    if settings.web_port:
        check_port(settings.web_host, settings.web_port)
    metrics = _metrics(kind, settings) if settings.web_port else None
    observers = [*([metrics.observe] if metrics else []), *observe_traces(kind)]
    app = importlib.import_module(f"checkpoint.{kind}.app").create_app(settings, told(observers))
    app.page("/metrics")(_metrics_page(metrics))

    async def tell(_: Any, assigned: set[Any], **__: Any) -> None:
        numbers = ", ".join(str(tp.partition) for tp in sorted(assigned))
        print(f"ready: {kind} has partitions {numbers or 'none'}", flush=True)  # noqa: T201

    app.on_partitions_assigned.connect(tell, weak=False)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level="INFO")
    wait_for_log(kind, settings)
    Thread(target=look_out, args=[settings, log.warning], name="lookout", daemon=True).start()
    worker = Worker(app, loglevel=loglevel, quiet=True)
    worker.spinner = None  # it hides the cursor, even of a file
    gc.freeze()
    gc.set_threshold(GARBAGE)
    worker.execute_from_commandline()


def check_port(host: str, port: int) -> None:
    """Raise InvalidSettings where a worker's web server cannot listen: Faust would not say why."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise InvalidSettings(
            f"CHECKPOINT_WEB_PORT={port}: a worker cannot listen on {host}, port {port}: "
            f"{os.strerror(error.errno or 0)}. Give each worker its own port"
        ) from error


def _metrics(kind: str, settings: Settings) -> "Metrics | None":
    try:
        from .metrics import Metrics  # noqa: PLC0415 - an extra
    except ImportError:
        return None
    return Metrics(kind, settings)


def _metrics_page(metrics: "Metrics | None") -> Callable[..., Awaitable[Any]]:
    async def page(view: Any, _: Any) -> Any:
        if metrics is None:
            return view.text(NO_METRICS, status=501)
        text = await metrics.exposition()
        return view.bytes(text, headers={"Content-Type": metrics.CONTENT_TYPE})

    return page


def wait_for_log(kind: str, settings: Settings) -> None:
    """Wait until there is a log, and for the snapshotter, an archive that is ready for it.

    UnsupportedServer, SchemaTooNew where waiting would not help.
    """
    with closing(Servers(settings)) as servers:
        if kind == "snapshotter":
            _patiently(servers, _upgrade_archive)
            Thread(target=_keep_whole, args=[settings], name="restore", daemon=True).start()
        _patiently(servers, Core(settings).open)
        if kind == "snapshotter":
            _patiently(servers, lambda: _check_archive(settings.namespace))


def _upgrade_archive() -> Steps[None]:
    if (yield AskArchive(lambda archive: archive.upgrade())):
        yield from check_clocks()


def _check_archive(namespace: str) -> Steps[None]:
    yield from check_same_log(namespace)
    yield from check_clocks()


def _patiently(servers: Servers, ask: Callable[[], Steps[Any]]) -> None:
    outage = Outage(log)
    while True:
        try:
            servers.run(ask())
        except (LogUnavailable, LogNotReady, ArchiveUnavailable) as error:
            time.sleep(outage.wait(error))
        else:
            outage.over()
            return


def _keep_whole(settings: Settings) -> None:
    """Restore the log whenever Redis has lost something of it, for ever."""
    servers, outage = Servers(settings), Outage(log)
    while True:
        try:
            servers.run(keep_whole(settings.namespace, log.warning))
        except (LogUnavailable, ArchiveUnavailable):
            pass  # others say so, and it is tried again
        except CheckpointError as error:
            outage.wait(error)
        else:
            outage.over()
        time.sleep(WATCH_SECONDS)
