"""The web page as a child process."""

import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from checkpoint.web import PORT

from .service import Service

_LOOPBACK = "127.0.0.1"


class Page(Service):
    """`checkpoint web` on a port of 127.0.0.1, read-only."""

    name = "web"
    stop_seconds = 10.0

    def __init__(self, folder: Path, servers: Mapping[str, str]) -> None:
        """Take the page's own folder, and `REDIS_URL` and `POSTGRES_URL`; choose a port."""
        super().__init__(folder)
        self._servers = dict(servers)
        self._port = _free_port()

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        return f"http://{_LOOPBACK}:{self._port}/"

    def is_ready(self) -> bool:
        """Whether it listens."""
        return self.is_running and f"page: {self.url}" in self._output()

    @property
    def _environment(self) -> Mapping[str, str]:
        return {**super()._environment, **self._servers, "PYTHONUNBUFFERED": "1"}

    def _command(self) -> Sequence[str]:
        address = ("--host", _LOOPBACK, "--port", str(self._port))
        # -P: a folder `checkpoint` in the working directory is not the package
        return [sys.executable, "-P", "-m", "checkpoint", "web", *address]


def _free_port() -> int:
    """Return the port that people know, or another one where that is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the page itself does
        try:
            probe.bind((_LOOPBACK, PORT))
        except OSError:
            probe.bind((_LOOPBACK, 0))
        return int(probe.getsockname()[1])
