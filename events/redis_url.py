"""The options of a Redis URL: which there are, and which of them this system leaves alone.

Applications share their URL, so it may have options that other clients of Redis need. Those that
say how to reach the server count. How a client behaves is this system's own affair, and such an
option is passed over: a connection with another protocol, or with decoded replies, is of no use.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from .errors import InvalidSettings

COMMON = {"db", "username", "password", "client_name"}
TCP = {"socket_keepalive"}
FILES = {"ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile"}
TLS = {
    *FILES,
    "ssl_ca_data",
    "ssl_cert_reqs",
    "ssl_check_hostname",
    "ssl_ciphers",
    "ssl_min_version",
    "ssl_password",
}
PASSED_OVER = {
    "decode_responses",
    "encoding",
    "encoding_errors",
    "health_check_interval",
    "legacy_responses",
    "lib_name",
    "lib_version",
    "max_connections",
    "protocol",
    "retry_on_error",
    "retry_on_timeout",
    "single_connection_client",
    "socket_connect_timeout",
    "socket_read_size",
    "socket_timeout",
    "timeout",
}
KNOWN = COMMON | TCP | TLS | PASSED_OVER
CERT_REQS = ("none", "optional", "required")
FALSE = ("0", "f", "false", "n", "no")


def usable(url: str, named: str = "REDIS_URL") -> str:
    """Return a URL that the driver takes as it is meant; InvalidSettings names what is wrong.

    `named` is what the user knows the URL by. No password gets into a message.
    """
    with _readable(url, named):
        parts = urlsplit(url)
        _ = parts.port if parts.scheme != "unix" else None  # reading it checks it
        given = dict(reversed(parse_qsl(parts.query, keep_blank_values=True)))
        if "#" in url or _holds_password(parts, given):
            raise ValueError
        _check_address(parts.scheme, parts.path)
        counting = [name for name in given if _counts(name, parts.scheme)]
        kept = {name: one for name in counting if (one := given[name])}
        for name, one in kept.items():
            _check_value(name, one)
        if parts.scheme == "rediss":
            kept |= _verification(kept)
    base = url.partition("?")[0]
    return f"{base}?{urlencode(kept)}" if kept else base


@contextmanager
def _readable(url: str, named: str) -> Iterator[None]:
    scheme = url.partition("://")[0] if "://" in url else "…"
    try:
        yield
    except InvalidSettings as error:
        raise InvalidSettings(f"{named} ({scheme}://…) cannot be used: {error}") from None
    except ValueError:
        # Python's own words may repeat a part of the password
        raise InvalidSettings(
            f"{named} ({scheme}://…) cannot be used: its host, port, database or options cannot "
            "be read. A password's special characters are written percent-encoded in a URL"
        ) from None


def _holds_password(parts: SplitResult, given: Mapping[str, str]) -> bool:
    """Say whether a password has a / or ? of its own, so that its rest must not be repeated."""
    in_path = parts.scheme != "unix" and "@" in parts.path
    return in_path or ("@" in parts.query and not given.keys() <= KNOWN)


def _check_address(scheme: str, path: str) -> None:
    if scheme not in {"redis", "rediss", "unix"}:
        raise InvalidSettings("it begins with redis://, rediss:// or unix://")
    if scheme == "unix" and not path:
        raise InvalidSettings("it names no socket: unix:///PATH")
    if scheme != "unix" and path.strip("/"):
        _check_value("db", path.strip("/"))


def _counts(name: str, scheme: str) -> bool:
    """Say whether an option is to be handed on; InvalidSettings for one that has no meaning."""
    if name in TLS and scheme != "rediss":
        raise InvalidSettings(f"its option {name} is of TLS, and TLS needs rediss://")
    if name not in KNOWN:
        raise InvalidSettings(f"it has an unknown option, {name!r}")
    return name in COMMON | TLS or (name in TCP and scheme != "unix")


def _check_value(name: str, value: str) -> None:
    if name == "db" and not (value.isascii() and value.isdecimal()):
        raise InvalidSettings("its database must be a whole number")
    if name == "ssl_cert_reqs" and _cert_reqs(value) not in CERT_REQS:
        raise InvalidSettings(f"ssl_cert_reqs={value!r}: must be one of {', '.join(CERT_REQS)}")
    if name == "ssl_min_version" and not (value.isascii() and value.isdecimal()):
        raise InvalidSettings(f"ssl_min_version={value!r}: must be a number, as in Python's ssl")
    if name in FILES and not os.access(value, os.R_OK):
        raise InvalidSettings(f"{name}={value!r} cannot be read")


def _cert_reqs(value: str) -> str:
    """Return the driver's word for it; other clients write CERT_NONE, or ssl.CERT_NONE."""
    return value.casefold().removeprefix("ssl.").removeprefix("cert_")


def _verification(given: dict[str, str]) -> dict[str, str]:
    """Return how the server's certificate is verified: old drivers do not look at its host."""
    required = _cert_reqs(given.get("ssl_cert_reqs", "required"))
    looks = given.get("ssl_check_hostname", "true").casefold() not in FALSE
    return {
        "ssl_cert_reqs": required,
        "ssl_check_hostname": str(looks and required != "none").lower(),
    }
