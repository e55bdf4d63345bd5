"""A proxy that speaks TLS for a Redis that does not.

The certificate in `tests/tls` is for `localhost`, its CA is known to nobody, and both are valid for
a hundred years.
"""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

TLS = Path(__file__).parent / "tls"
CA, CERTIFICATE, KEY = TLS / "ca.pem", TLS / "server.pem", TLS / "server.key"


class TlsProxy:
    """Passes on everything between clients, with TLS, and a Redis at a unix socket, without."""

    def __init__(self, redis_url: str, *, asks_for_certificates: bool = False) -> None:
        """Take the URL of the Redis, and whether clients must have a certificate too."""
        self._path = urlsplit(redis_url).path
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(CERTIFICATE, KEY)
        if asks_for_certificates:
            self._context.verify_mode = ssl.CERT_REQUIRED
            self._context.load_verify_locations(CA)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []

    def serve(self) -> None:
        """Accept connections until the listener is closed."""
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                thread = threading.Thread(target=self._pass_on, args=[client])
                self._threads.append(thread)
                thread.start()

    def close(self) -> None:
        """Accept no more; clients have closed theirs."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _pass_on(self, plain: socket.socket) -> None:
        with (
            contextlib.suppress(OSError),
            plain,
            self._context.wrap_socket(plain, server_side=True) as client,
            socket.socket(socket.AF_UNIX) as server,
        ):
            server.connect(self._path)
            back = threading.Thread(target=_pump, args=[server, client])
            back.start()
            _pump(client, server)
            back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


@contextmanager
def tls_proxy(redis_url: str, *, asks_for_certificates: bool = False) -> Iterator[TlsProxy]:
    """Yield a proxy that runs as long as the block does."""
    proxy = TlsProxy(redis_url, asks_for_certificates=asks_for_certificates)
    thread = threading.Thread(target=proxy.serve)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()
