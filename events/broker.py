"""Broker URLs: `redis+streams://`, `rediss+streams://` and `unix+streams://`."""

from dataclasses import dataclass, field
from typing import Any, Self

from yarl import URL

from .errors import InvalidSettings
from .redis_url import usable

SUFFIX = "+streams"
MOST_ENTRIES = 100_000
SHORTEST, LONGEST = 0.05, 60.0


@dataclass(frozen=True, slots=True)
class Options:
    """What a broker URL says. Its secrets stay out of the repr."""

    redis_url: str = field(repr=False)
    slice: int | None = None
    """Entries in a message at most. None: a message is one entry's key, value and headers."""
    heartbeat: float = 1.0
    """Seconds between heartbeats; a worker that misses three counts as dead."""

    @classmethod
    def parse(cls, url: URL) -> Self:
        """Read `redis+streams://`, `rediss+streams://` or `unix+streams://`; InvalidSettings.

        `slice` and `heartbeat` in the query are this transport's, the rest is redis-py's.
        """
        query = {name: one for name, one in url.query.items() if name not in _PARSERS}
        scheme = url.scheme.removesuffix(SUFFIX)
        # yarl drops the slashes before an empty host, which redis-py wants to see
        rest = str(url.with_query(query)).removeprefix(f"{url.scheme}:").removeprefix("//")
        options: dict[str, Any] = {
            name: _read(name, url.query[name]) for name in _PARSERS if name in url.query
        }
        redis_url = f"{scheme}://{rest}"
        usable(redis_url, "the broker URL")  # to be told now what is wrong with it
        return cls(redis_url, **options)


def without_password(url: URL) -> URL:
    """Return a URL that can be printed: a password in either of its places becomes ***."""
    if "password" in url.query:
        url = url.update_query(password="***")  # noqa: S106 - this hides one
    return url.with_password("***") if url.password else url


def _entries(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_ENTRIES:
        raise ValueError(f"it is a whole number of entries, from 1 to {MOST_ENTRIES}")
    return int(text)


def _seconds(text: str) -> float:
    if not SHORTEST <= (value := float(text)) <= LONGEST:
        raise ValueError(f"it is a number of seconds, from {SHORTEST} to {LONGEST}")
    return value


_PARSERS = {"slice": _entries, "heartbeat": _seconds}


def _read(name: str, text: str) -> int | float:
    try:
        return _PARSERS[name](text)
    except ValueError as error:
        raise InvalidSettings(f"{name}={text!r} in the broker URL is no use: {error}") from error
