"""The options of a Redis URL."""

import ssl
from pathlib import Path
from typing import Any

import pytest
from redis.connection import SSLConnection, parse_url
from yarl import URL

from checkpoint.events.async_lines import AsyncLines
from checkpoint.events.broker import Options
from checkpoint.events.connection import options
from checkpoint.events.errors import InvalidSettings
from checkpoint.events.lines import Lines
from checkpoint.events.redis_url import PASSED_OVER, usable


@pytest.mark.parametrize(
    ("url", "arguments"),
    [
        ("redis://host", {"host": "host"}),
        ("redis://host:7/3", {"host": "host", "port": 7, "db": 3}),
        ("redis://host/1?db=2&db=3", {"host": "host", "db": 2}),
        ("redis://host/?db=", {"host": "host"}),
        ("redis://host/?", {"host": "host"}),
        ("redis:///0", {"db": 0}),
        ("redis://[::1]:7", {"host": "::1", "port": 7}),
        ("redis://u:p%40%3F@host", {"host": "host", "username": "u", "password": "p@?"}),
        ("redis://host?password=a%2Bb%26", {"host": "host", "password": "a+b&"}),
        ("redis://host?socket_keepalive=1", {"host": "host", "socket_keepalive": True}),
        ("redis://host?client_name=me", {"host": "host", "client_name": "me"}),
    ],
)
def test_what_says_how_to_reach_the_server_counts(url: str, arguments: dict[str, Any]) -> None:
    assert parse_url(usable(url)) == arguments


@pytest.mark.parametrize("option", sorted(PASSED_OVER))
@pytest.mark.parametrize("value", ["3", "30", "true", "x", ""])
@pytest.mark.parametrize("base", ["redis://host/1", "unix:///tmp/a.sock"])
def test_what_says_how_a_client_behaves_is_passed_over(base: str, option: str, value: str) -> None:
    url = f"{base}?{option}={value}"
    assert usable(url) == base
    for lines in (Lines(url, 1.5), AsyncLines(url, 1.5)):
        taken = lines._pool.connection_kwargs  # noqa: SLF001 - what a connection is made with
        assert {name: taken[name] for name in options(1.5)} == options(1.5)


def test_a_unix_socket_needs_no_keepalive() -> None:
    assert usable("unix:///tmp/a.sock?socket_keepalive=1&db=2") == "unix:///tmp/a.sock?db=2"


@pytest.mark.parametrize(
    ("written", "mode"),
    [
        ("", ssl.CERT_REQUIRED),
        ("?ssl_cert_reqs=none", ssl.CERT_NONE),
        ("?ssl_cert_reqs=CERT_NONE", ssl.CERT_NONE),
        ("?ssl_cert_reqs=ssl.CERT_NONE&ssl_check_hostname=true", ssl.CERT_NONE),
        ("?ssl_cert_reqs=CERT_OPTIONAL", ssl.CERT_OPTIONAL),
        ("?ssl_cert_reqs=CERT_REQUIRED", ssl.CERT_REQUIRED),
        ("?ssl_cert_reqs=Required", ssl.CERT_REQUIRED),
    ],
)
def test_how_certificates_are_verified_may_be_written_as_other_clients_do(
    written: str, mode: ssl.VerifyMode
) -> None:
    arguments = parse_url(usable(f"rediss://host{written}"))
    assert arguments.pop("connection_class") is SSLConnection
    connection = SSLConnection(**arguments)
    assert connection.cert_reqs == mode
    assert connection.check_hostname == (mode != ssl.CERT_NONE)


def test_the_host_of_a_certificate_is_not_looked_at_where_that_is_asked_for() -> None:
    arguments = parse_url(usable("rediss://host?ssl_check_hostname=False"))
    assert arguments["ssl_check_hostname"] is False
    assert arguments["ssl_cert_reqs"] == "required"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://host?nonsense=1", "unknown option, 'nonsense'"),
        ("redis://host?nonsense", "unknown option, 'nonsense'"),
        ("redis://host?ssl=true", "unknown option, 'ssl'"),
        ("redis://host?host=other", "unknown option, 'host'"),
        ("redis://host?ssl_cert_reqs=none", "ssl_cert_reqs is of TLS, and TLS needs rediss://"),
        ("unix:///tmp/a.sock?ssl_ca_certs=/x", "ssl_ca_certs is of TLS"),
        ("rediss://host?ssl_cert_reqs=maybe", "ssl_cert_reqs='maybe': must be one of none, opt"),
        ("rediss://host?ssl_min_version=TLSv1_2", "ssl_min_version='TLSv1_2': must be a number"),
        ("rediss://host?ssl_ca_certs=/nowhere/ca.pem", "ssl_ca_certs='/nowhere/ca.pem' cannot be"),
        ("redis://host/zero", "database must be a whole number"),
        ("redis://host?db=-1", "database must be a whole number"),
        ("redis://host?db=1.5", "database must be a whole number"),
        ("unix://", "names no socket"),
        ("redis://host:port", "host, port, database or options cannot be read"),
        ("redis://[::1", "host, port, database or options cannot be read"),
        ("http://host", "begins with redis://, rediss:// or unix://"),
        ("", "begins with redis://, rediss:// or unix://"),
    ],
)
def test_what_cannot_be_used_is_named(url: str, said: str) -> None:
    for make in (Lines, AsyncLines):
        with pytest.raises(InvalidSettings) as refused:
            make(url, 1.0)
        assert str(refused.value).startswith("REDIS_URL (")
        assert said in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://app:se/cret@host/0",
        "redis://app:1/secret@host",
        "redis://app:se?cret=x@host/0",
        "redis://app:1?secret=x@host/0",
        "redis://app:se#cret@host/0",
        "redis://host/secret@x",
        "rediss://host#secret?ssl_cert_reqs=none",
    ],
)
def test_a_password_that_is_not_encoded_is_not_repeated(url: str) -> None:
    with pytest.raises(InvalidSettings, match="percent-encoded") as refused:
        usable(url)
    assert "cret" not in str(refused.value)


def test_a_broker_url_is_held_to_the_same(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match=r"^the broker URL .* unknown option, 'nonsense'"):
        Options.parse(URL("redis+streams://host/0?slice=5&nonsense=1"))
    ca = tmp_path / "ca.pem"
    ca.touch()
    assert Options.parse(URL(f"rediss+streams://host/0?ssl_ca_certs={ca}")).redis_url
