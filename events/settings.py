"""Settings: every environment variable this system reads, in one place."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from .endpoints import running_endpoints
from .errors import CheckpointError, InvalidSettings
from .keys import DEFAULT_NAMESPACE
from .names import check_namespace
from .payload import MAX_BYTES

T = TypeVar("T")

ACKS = ("log", "synced", "durable")
REDIS_SCHEMES = ("redis", "rediss", "unix")
MILLISECOND, CENTURY = 0.001, 100 * 365 * 86400.0
LIMITS: dict[str, tuple[float, float]] = {
    "partitions": (1, 1024),
    "ttl": (MILLISECOND, CENTURY),
    "timeout": (MILLISECOND, CENTURY),
    "max_payload": (1, 64 * 1024 * 1024),
    "slice_entries": (1, 100_000),
    "log_margin": (MILLISECOND, CENTURY),
    "web_port": (0, 65535),
}
"""What the settings that are numbers may be."""
LIBPQ_VARIABLES = ("PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGSERVICE")


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the servers are and how checkpoints behave. Secrets stay out of its repr."""

    redis_url: str = field(default="redis://localhost:6379/0", repr=False)
    """Where the log is: redis://, rediss:// (TLS) or unix://, with user and password."""
    postgres_url: str | None = field(default=None, repr=False)
    """A libpq URL or conninfo string; "" leaves all to libpq's variables; None: no archive."""
    namespace: str = DEFAULT_NAMESPACE
    """Names the log: the prefix of its keys and the schema of its archive."""
    partitions: int | None = None
    """How many the log has; None takes what it was created with, 8 for a new one."""
    ttl: float = 24 * 60 * 60
    """Seconds that a job's checkpoints live after its latest event."""
    timeout: float = 5.0
    """Seconds that a call may take, retries included."""
    ack: str = "log"
    """What a save waits for unless it says so itself: log, synced or durable."""
    spool: Path | None = None
    """A local file that keeps saves while Redis is away; None: they fail then."""
    max_payload: int = MAX_BYTES
    """Bytes of JSON that one event's data may take."""
    slice_entries: int = 2048
    """Entries that a worker reads and applies at once."""
    log_margin: float = 600.0
    """Seconds that entries stay in the log after view and archive have them."""
    web_host: str = "127.0.0.1"
    """The address at which a worker's own web server listens."""
    web_port: int = 0
    """Its port; with 0 a worker has no web server."""

    def __post_init__(self) -> None:
        """Check the values; InvalidSettings or InvalidName says which cannot be used."""
        check_namespace(self.namespace)
        if self.ack not in ACKS:
            raise InvalidSettings(f"ack={self.ack!r}: it is one of {', '.join(ACKS)}")
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise InvalidSettings(f"{name}={value!r}: it is from {low:,} to {high:,}")

    @property
    def reply_timeout(self) -> float:
        """Seconds that one reply of Redis may take: half a call's time, for there may be two."""
        return self.timeout / 2

    @property
    def longest_block(self) -> float:
        """Seconds that a reply of Redis may keep one waiting for what is yet to happen.

        It comes before the connection counts as dead: Redis looks for waits that are over ten
        times a second.
        """
        return max(0.0, self.reply_timeout - 0.2)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read the environment; InvalidSettings names the variable that cannot be used.

        Where it names no Redis, the servers of a running `checkpoint up` are used, if there is one.
        """
        env = os.environ if environ is None else environ
        named = any(env.get(name) for name in ("REDIS_URL", "REDIS_HOST", "REDIS_PORT", "REDIS_DB"))
        if not named and (running := running_endpoints()):
            env = {**running, **{name: value for name, value in env.items() if value}}
        values = {
            name: _read(env, variable, parse)
            for name, (variable, parse) in VARIABLES.items()
            if env.get(variable)
        }
        return cls(redis_url=_redis_url(env), postgres_url=_postgres_url(env), **values)


def _read(env: Mapping[str, str], variable: str, parse: Callable[[str], Any]) -> Any:
    try:
        return parse(env[variable])
    except (ValueError, CheckpointError) as error:
        raise InvalidSettings(f"{variable}={env[variable]!r} cannot be used: {error}") from error


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if MILLISECOND <= (value := float(text)) <= CENTURY:
            return value
    raise ValueError("it is a number of seconds, from 0.001 to a hundred years")


def _limited(name: str) -> Callable[[str], int]:
    low, high = LIMITS[name]
    return _integer(int(low), int(high))


def _integer(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.strip().isdecimal() or not low <= int(text) <= high:
            raise ValueError(f"it is a whole number from {low} to {high}")
        return int(text)

    return parse


def _ack(text: str) -> str:
    if text not in ACKS:
        raise ValueError(f"it is one of {', '.join(ACKS)}")
    return text


VARIABLES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "namespace": ("CHECKPOINT_NAMESPACE", check_namespace),
    "partitions": ("CHECKPOINT_PARTITIONS", _limited("partitions")),
    "ttl": ("CHECKPOINT_TTL", _seconds),
    "timeout": ("CHECKPOINT_TIMEOUT", _seconds),
    "ack": ("CHECKPOINT_ACK", _ack),
    "spool": ("CHECKPOINT_SPOOL", Path),
    "max_payload": ("CHECKPOINT_MAX_PAYLOAD", _limited("max_payload")),
    "slice_entries": ("CHECKPOINT_SLICE", _limited("slice_entries")),
    "log_margin": ("CHECKPOINT_LOG_MARGIN", _seconds),
    "web_host": ("CHECKPOINT_WEB_HOST", str),
    "web_port": ("CHECKPOINT_WEB_PORT", _limited("web_port")),
}


def _redis_url(env: Mapping[str, str]) -> str:
    if url := env.get("REDIS_URL"):
        if _scheme("REDIS_URL", url) not in REDIS_SCHEMES:
            raise InvalidSettings("REDIS_URL must begin with redis://, rediss:// or unix://")
        return url
    host = env.get("REDIS_HOST") or "localhost"
    port = _read({"REDIS_PORT": env.get("REDIS_PORT") or "6379"}, "REDIS_PORT", _integer(1, 65535))
    db = _read({"REDIS_DB": env.get("REDIS_DB") or "0"}, "REDIS_DB", _integer(0, 2**31 - 1))
    return f"redis://{f'[{host}]' if ':' in host else host}:{port}/{db}"


def _scheme(variable: str, url: str) -> str:
    """Return a URL's scheme. What is wrong with a URL is not repeated: it may hold a password."""
    try:
        parts = urlsplit(url)
        # reading the port checks it; libpq has URLs of several ports, which only it can read
        _ = parts.port if parts.scheme in REDIS_SCHEMES else None
    except ValueError:
        raise InvalidSettings(
            f"{variable} cannot be used: its host or port cannot be read. A password's special "
            "characters are written percent-encoded in a URL"
        ) from None
    return parts.scheme


def _postgres_url(env: Mapping[str, str]) -> str | None:
    if url := env.get("POSTGRES_URL"):
        if "://" in url and _scheme("POSTGRES_URL", url) not in {"postgres", "postgresql"}:
            raise InvalidSettings("POSTGRES_URL begins with postgresql:// or is a conninfo string")
        return url
    return "" if any(env.get(name) for name in LIBPQ_VARIABLES) else None
