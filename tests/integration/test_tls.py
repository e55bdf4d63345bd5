"""Redis over TLS: what connects, and what is said where TLS does not come about."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import pytest
from tls_proxy import CA, CERTIFICATE, KEY, TlsProxy, tls_proxy

from checkpoint import (
    AsyncCheckpointManager,
    CheckpointError,
    CheckpointManager,
    LogRefused,
    LogUnavailable,
    Settings,
)
from checkpoint.embedded import Valkey

TRUSTED = f"ssl_ca_certs={CA}"
PATIENT = 10.0


@pytest.fixture(scope="module", name="plain_url")
def _plain_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Valkey(tmp_path_factory.mktemp("tls") / "valkey") as server:
        yield server.url


@pytest.fixture(scope="module", name="proxy")
def _proxy(plain_url: str) -> Iterator[TlsProxy]:
    with tls_proxy(plain_url) as made:
        yield made


def save_blocking(settings: Settings) -> None:
    with CheckpointManager(settings) as manager:
        manager.save_many((f"job-{number}", "a", {}) for number in range(20))
        assert manager.is_completed("job-7", "a")


def save_in_asyncio(settings: Settings) -> None:
    async def save() -> None:
        async with AsyncCheckpointManager(settings) as manager:
            jobs = [f"job-{number}" for number in range(20)]
            await asyncio.gather(*[manager.save(job, "a", {}) for job in jobs])
            assert await manager.is_completed("job-7", "a")

    asyncio.run(save())


def refused(url: str, namespace: str, seconds: float = 1.0) -> list[CheckpointError]:
    """Return what a save is refused with, in blocking and in asyncio code."""
    errors = []
    for save in (save_blocking, save_in_asyncio):
        with pytest.raises(CheckpointError) as error:
            save(Settings(redis_url=url, namespace=namespace, timeout=seconds))
        errors.append(error.value)
    return errors


@pytest.mark.parametrize(
    ("host", "options"),
    [
        ("localhost", TRUSTED),
        ("127.0.0.1", f"{TRUSTED}&ssl_check_hostname=false"),
        ("localhost", f"{TRUSTED}&ssl_cert_reqs=CERT_REQUIRED"),
        ("127.0.0.1", "ssl_cert_reqs=none"),
        ("127.0.0.1", "ssl_cert_reqs=CERT_NONE"),
    ],
)
@pytest.mark.parametrize("save", [save_blocking, save_in_asyncio])
def test_a_server_that_is_trusted_is_used(
    proxy: TlsProxy, namespace: str, host: str, options: str, save: object
) -> None:
    assert callable(save)
    save(Settings(redis_url=f"rediss://{host}:{proxy.port}/0?{options}", namespace=namespace))


@pytest.mark.parametrize(
    ("host", "options", "said"),
    [
        ("localhost", "", "certificate of Redis is not trusted: unable to get local issuer"),
        ("127.0.0.1", TRUSTED, "not trusted: IP address mismatch"),
        ("localhost", f"ssl_ca_certs={KEY}", "TLS with Redis does not come about"),
    ],
)
def test_a_certificate_that_is_not_trusted_is_refused_at_once(
    proxy: TlsProxy, namespace: str, host: str, options: str, said: str
) -> None:
    begun = monotonic()
    for error in refused(f"rediss://{host}:{proxy.port}/0?{options}", namespace, PATIENT):
        assert type(error) is LogRefused
        assert said in str(error)
    assert monotonic() - begun < PATIENT / 2


def test_a_server_that_wants_a_certificate_of_its_clients(plain_url: str, namespace: str) -> None:
    with tls_proxy(plain_url, asks_for_certificates=True) as proxy:
        url = f"rediss://localhost:{proxy.port}/0?{TRUSTED}"
        for error in refused(url, namespace):
            assert "certificate" in str(error).casefold() or isinstance(error, LogUnavailable)
        own = f"{url}&ssl_certfile={CERTIFICATE}&ssl_keyfile={KEY}"
        save_blocking(Settings(redis_url=own, namespace=namespace))
        save_in_asyncio(Settings(redis_url=own, namespace=namespace))


def test_a_client_without_tls_is_told_of_it(proxy: TlsProxy, namespace: str) -> None:
    for error in refused(f"redis://localhost:{proxy.port}/0", namespace):
        assert "rediss://" in str(error)


@contextmanager
def talking(greeting: bytes) -> Iterator[int]:
    """Yield the port of a server that greets everybody, whatever they ask."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        try:
            while True:
                client, _ = listener.accept()
                with client:
                    client.sendall(greeting)
                    client.recv(1000)
        except OSError:
            pass

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_a_server_without_tls_is_told_of(namespace: str) -> None:
    with talking(b"-ERR max number of clients reached\r\n") as port:
        for error in refused(f"rediss://localhost:{port}/0?{TRUSTED}", namespace):
            assert type(error) is LogRefused
            assert (
                str(error) == "The server does not speak TLS: REDIS_URL begins with redis:// there"
            )


def test_a_server_that_is_no_redis_is_told_of(namespace: str) -> None:
    with talking(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        for error in refused(f"redis://localhost:{port}/0", namespace):
            assert type(error) is LogRefused
            assert str(error).startswith("What answers is not Redis")


def test_a_server_that_waits_for_plain_text_ends_in_a_sentence(
    tmp_path: Path, namespace: str
) -> None:
    listen = {"port": "0", "bind": "127.0.0.1"}
    with socket.create_server(("127.0.0.1", 0)) as free:
        listen["port"] = str(free.getsockname()[1])
    with Valkey(tmp_path / "valkey", options=listen):
        for error in refused(f"rediss://localhost:{listen['port']}/0?{TRUSTED}", namespace):
            assert "with TLS (rediss://) or without (redis://)" in str(error)


def test_an_outage_while_the_caller_handles_an_error_of_tls_is_an_outage(namespace: str) -> None:
    nowhere = Settings(redis_url="redis://127.0.0.1:1/0", namespace=namespace, timeout=0.2)
    with CheckpointManager(nowhere) as manager:
        try:
            ssl.create_default_context().load_verify_locations(KEY)
        except ssl.SSLError:
            with pytest.raises(LogUnavailable):
                manager.save("job", "a", {})
        else:
            raise AssertionError("a key is no certificate")
