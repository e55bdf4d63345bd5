"""A TCP proxy before Postgres that falls silent: it takes what is sent, and nothing comes back."""

import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import quote, urlencode

from psycopg.conninfo import conninfo_to_dict

DEFAULT_PORT = 5432


class SilentProxy:
    """Passes on everything, until it `is_silent`."""

    def __init__(self, postgres_url: str) -> None:
        """Take the URL of the Postgres that stands behind."""
        self._parameters = conninfo_to_dict(postgres_url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        here = {"host": "127.0.0.1", "port": self._listener.getsockname()[1]}
        parameters = urlencode({**self._parameters, **here}, quote_via=quote)
        self.url = f"postgresql:///?{parameters}"
        self.is_silent = False
        self.open: set[int] = set()
        """The connections that the client has not closed, by their numbers."""
        self._is_over = False
        self._threads: list[threading.Thread] = []

    def serve(self) -> None:
        """Accept connections until the listener is closed."""
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                thread = threading.Thread(target=self._pass_on, args=[client, len(self._threads)])
                self._threads.append(thread)
                thread.start()

    def close(self) -> None:
        """Cut everything."""
        self._is_over = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _connect(self) -> socket.socket:
        host = str(self._parameters.get("host") or "127.0.0.1")
        port = int(self._parameters.get("port") or DEFAULT_PORT)
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server

    def _pass_on(self, client: socket.socket, number: int) -> None:
        self.open.add(number)
        with contextlib.suppress(OSError), ExitStack() as stack:
            stack.callback(self.open.discard, number)
            stack.enter_context(client)
            server = stack.enter_context(self._connect())
            while not self._is_over:
                ready, _, _ = select.select([client, server], [], [], 0.02)
                for one in ready:
                    other = server if one is client else client
                    if not (sent := one.recv(1 << 20)):
                        return
                    if not self.is_silent:
                        other.sendall(sent)


@contextmanager
def silent_proxy(postgres_url: str) -> Iterator[SilentProxy]:
    """Yield a proxy that runs as long as the block does."""
    proxy = SilentProxy(postgres_url)
    thread = threading.Thread(target=proxy.serve)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()
