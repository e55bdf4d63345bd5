"""Redis Streams as a message transport for Faust: `faust.App(broker="redis+streams://…")`.

Importing this module is left to Faust, which finds it by the scheme of the broker's URL.
"""

import asyncio
import warnings
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import redis
from faust.exceptions import AlreadyConfiguredWarning
from faust.tables import TableManager
from faust.transport import base
from faust.types import AppT
from faust.types.enums import ProcessingGuarantee
from yarl import URL

from .consumer import Consumer
from .errors import InvalidSettings
from .positions import Positions
from .producer import Producer

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
        return cls(f"{scheme}://{rest}", **options)


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


class Transport(base.Transport):
    """Faust on Redis Streams: one stream per partition, one consumer group per app.

    It carries agents, sends and replies, at-least-once. It has no tables and no transactions;
    an app that asks for them is refused when it starts.
    """

    Consumer: ClassVar[type[Consumer]] = Consumer
    Producer: ClassVar[type[Producer]] = Producer

    default_port = 6379
    driver_version = f"redis-py={redis.__version__}"

    positions: Positions | None = None
    """Where the app keeps its positions, if it does: then reading starts there. Otherwise it
    starts at the last-delivered id of the app's consumer group."""

    def __init__(
        self, url: list[URL], app: AppT, loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        """Serve `app`; InvalidSettings if its settings ask for what there is not."""
        super().__init__(url, app, loop)
        self.options = Options.parse(url[0])
        if app.conf.processing_guarantee == ProcessingGuarantee.EXACTLY_ONCE:
            raise InvalidSettings(
                "processing_guarantee='exactly_once' needs Kafka's transactions: leave it at "
                "'at_least_once', and store each position with the output it belongs to"
            )
        if app.conf.producer_threaded:
            raise InvalidSettings("producer_threaded=True is Kafka's alone: leave it off")
        _hide_passwords(app)


class NoTables(TableManager):
    """Faust's table manager without the second it gives an app to declare tables.

    Set `TableManager=NoTables` on an app to have its first message a second sooner.
    """

    async def on_start(self) -> None:
        """Start at once."""
        await self._update_channels()
        await self.recovery.start()


def _hide_passwords(app: AppT) -> None:
    # Faust prints `conf.broker` in its banner and in repr(app). It connects to the other two,
    # which read as the first unless they are set; and it warns of late changes by showing the
    # old value.
    conf = app.conf
    if not any(url.password for url in conf.broker):
        return
    with warnings.catch_warnings(action="ignore", category=AlreadyConfiguredWarning):
        conf.broker_consumer, conf.broker_producer = conf.broker_consumer, conf.broker_producer
        conf.broker = [url.with_password("***") if url.password else url for url in conf.broker]
