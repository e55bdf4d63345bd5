"""Redis Streams as a message transport for Faust: `faust.App(broker="redis+streams://…")`.

Importing this module is left to Faust, which finds it by the scheme of the broker's URL.
"""

import asyncio
import warnings
from typing import Any, ClassVar

import redis
from faust.exceptions import AlreadyConfiguredWarning
from faust.tables import TableManager
from faust.transport import base
from faust.types import AppT
from faust.types.enums import ProcessingGuarantee
from yarl import URL

from .broker import Options, without_password
from .consumer import Consumer
from .errors import InvalidSettings
from .positions import Positions
from .producer import Producer


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
        guarantee: Any = app.conf.processing_guarantee
        if guarantee == ProcessingGuarantee.EXACTLY_ONCE:
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
    hidden = [without_password(url) for url in conf.broker]
    if hidden == conf.broker:
        return
    with warnings.catch_warnings(action="ignore", category=AlreadyConfiguredWarning):
        conf.broker_consumer, conf.broker_producer = conf.broker_consumer, conf.broker_producer
        conf.broker = hidden
