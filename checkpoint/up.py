"""`checkpoint up`: the embedded servers, both workers and the web page, in the foreground."""

import os
import shlex
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import click

from .embedded import Postgres, Valkey
from .embedded.folder import FolderLock, make_private, write_private
from .embedded.page import Page
from .embedded.service import Service
from .embedded.supervisor import keep_running
from .embedded.worker import Worker
from .events.endpoints import ENDPOINTS_FILE, default_folder
from .events.errors import InvalidSettings, ServerStartError
from .events.settings import LIMITS, Settings

_KINDS = ("projector", "snapshotter")
_LAST_PORT = LIMITS["web_port"][1]


def up(folder: Path | None = None) -> None:
    """Run Valkey, Postgres, both workers and the page on `folder` until SIGINT, SIGTERM or SIGHUP.

    What dies is started again. As soon as all are ready, `endpoints.env` in the folder says where
    the servers listen. Returns when everything has stopped; if this process is killed, everything
    stops too. Raises ServerStartError, FolderInUse, ExtraMissing or InvalidSettings.
    """
    ports = _web_ports()
    folder = make_private(_chosen(folder))
    with _interrupted_by_signals(), suppress(KeyboardInterrupt), ExitStack() as stack:
        _hold(folder, stack)
        valkey, postgres = Valkey(folder / "valkey"), Postgres(folder / "postgres")
        for server in (valkey, postgres):
            _start([server], stack)
        urls = {"REDIS_URL": valkey.url, "POSTGRES_URL": postgres.url}
        page = Page(folder / "web", urls)
        workers = [*(Worker(kind, folder / kind, urls, ports[kind]) for kind in _KINDS), page]
        _start(workers, stack)
        _say(f"page: {page.url}")
        for kind, port in ports.items():
            if port:
                _say(f"metrics of the {kind}: port {port}, at /metrics")
        _announce(folder, urls, stack)
        keep_running([valkey, postgres, *workers], _say)


def _chosen(folder: Path | None) -> Path:
    try:
        return (folder or default_folder()).expanduser().absolute()
    except RuntimeError as error:
        raise ServerStartError(f"There is no default data folder, name one: {error}") from error


def _web_ports() -> dict[str, int]:
    """Give each worker a port of its own: the one that is set, and those after it."""
    ours = {name: text for name, text in os.environ.items() if name.startswith("CHECKPOINT_")}
    first = Settings.from_env(ours).web_port
    ports = {kind: first + number if first else 0 for number, kind in enumerate(_KINDS)}
    if max(ports.values()) > _LAST_PORT:
        raise InvalidSettings(
            f"CHECKPOINT_WEB_PORT={first}: there is no port after it for the second worker"
        )
    return ports


def _hold(folder: Path, stack: ExitStack) -> None:
    """Keep others off the folder, and forget what a killed `up` has said there."""
    lock = FolderLock(folder)
    lock.acquire(_say)
    stack.callback(lock.release)
    (folder / ENDPOINTS_FILE).unlink(missing_ok=True)
    _say(f"data folder: {folder}")


def _start(services: Sequence[Service], stack: ExitStack) -> None:
    """Start the services side by side, and stop them so when the stack unwinds."""
    stack.callback(_stop, services)
    begun = time.monotonic()
    for service in services:
        _say(f"{service.name}: starting")
        service.launch(_say)
    for service in services:
        service.wait_until_ready(_say)
        seconds = time.monotonic() - begun
        _say(f"{service.name}: ready after {seconds:.1f} s, process {service.pid}, {service.log}")


def _stop(services: Sequence[Service]) -> None:
    _say(f"stopping {', '.join(service.name for service in services)}")
    for service in services:
        service.ask_to_stop()
    for service in services:
        service.stop()


def _announce(folder: Path, urls: Mapping[str, str], stack: ExitStack) -> None:
    """Say where the servers listen, in the endpoints file and on the terminal."""
    endpoints = folder / ENDPOINTS_FILE
    stack.callback(endpoints.unlink, missing_ok=True)
    lines = [f"{name}={text}\n" for name, text in {**urls, "UP_PID": os.getpid()}.items()]
    write_private(endpoints, "".join(lines))
    for name, url in urls.items():
        _say(f"export {name}={shlex.quote(url)}")
    _say("ready")


@contextmanager
def _interrupted_by_signals() -> Iterator[None]:
    """Turn the signals that end a foreground command into KeyboardInterrupt."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.default_int_handler) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(line: str) -> None:
    click.echo(line)  # flushes, so that whoever reads a pipe sees it at once
