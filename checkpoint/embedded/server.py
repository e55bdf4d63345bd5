"""What Valkey and Postgres have in common: where they listen, their password, their options."""

import shutil
import socket
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path

from .folder import kept_secret, make_private, socket_folder
from .service import Service


class Server(Service):
    """A server that listens on a unix socket in a private folder, or on a port of 127.0.0.1."""

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        """Keep everything in `folder`; `options` are the server's own and override ours.

        Without a `port` the server listens on a unix socket that only this user can reach. With
        one it listens on 127.0.0.1 and asks for a generated password; 0 picks a free port.
        """
        super().__init__(folder)
        self.port = _free_port() if port == 0 else port
        self._options = dict(options or {})

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients connect; with a port it holds the password. The same at each start."""

    @property
    def _password(self) -> str:
        return self._password_file.read_text(encoding="utf-8")

    @property
    def _password_file(self) -> Path:
        return kept_secret(make_private(self.folder) / "password")

    @property
    def _sockets(self) -> Path:
        return socket_folder(self.folder)

    def stop(self) -> None:
        """Stop the server if it runs, gracefully."""
        super().stop()
        if self.port is None and self._sockets != self.folder:
            shutil.rmtree(self._sockets, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
