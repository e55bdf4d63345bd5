"""A TCP proxy before Redis that loses replies, cuts the line, or leads to another server.

The command of a reply that is lost was carried out.
"""

import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit


class LosingProxy:
    """Passes on everything, but for as many replies to scripts as it was told to lose."""

    def __init__(self, redis_url: str) -> None:
        """Take the URL of the Redis that stands behind."""
        self._target = urlsplit(redis_url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        self.to_lose = 0
        self.lost = 0
        self._is_cut = False
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def serve(self) -> None:
        """Accept connections until the listener is closed."""
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self._is_cut:
                    client.close()
                    continue
                thread = threading.Thread(target=self._pass_on, args=[client, self._connect()])
                self._threads.append(thread)
                thread.start()

    def cut(self) -> None:
        """Cut all connections, and every new one until `mend`."""
        self._is_cut = True
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Take connections again."""
        self._is_cut = False

    def lead_to(self, redis_url: str) -> None:
        """Lead new connections to another Redis; those that are open stay where they are."""
        self._target = urlsplit(redis_url)

    def close(self) -> None:
        """Cut everything for good."""
        self.cut()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _connect(self) -> socket.socket:
        if self._target.scheme == "unix":
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._target.path)
            return server
        return socket.create_connection((self._target.hostname, self._target.port or 6379))

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        self._sockets += (client, server)
        calls_script = False
        with contextlib.suppress(OSError), client, server:
            while True:
                ready, _, _ = select.select([client, server], [], [])
                if client in ready:
                    request = client.recv(1 << 20)
                    calls_script = b"EVALSHA" in request
                    server.sendall(request)
                    if not request:
                        return
                if server in ready:
                    reply = server.recv(1 << 20)
                    if self.to_lose and calls_script and b"NOSCRIPT" not in reply:
                        self.to_lose -= 1
                        self.lost += 1
                        return
                    client.sendall(reply)
                    if not reply:
                        return


@contextmanager
def losing_proxy(redis_url: str) -> Iterator[LosingProxy]:
    """Yield a proxy that runs as long as the block does."""
    proxy = LosingProxy(redis_url)
    thread = threading.Thread(target=proxy.serve)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()
