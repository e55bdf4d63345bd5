"""The projector as a Faust app: `faust -A checkpoint.projector.app worker`."""

import asyncio
import logging
from typing import Any, cast

import faust

from checkpoint.events.async_lines import AsyncLines
from checkpoint.events.consumer import Consumer
from checkpoint.events.entry_id import ZERO, EntryId
from checkpoint.events.outage import AWAY, Outage
from checkpoint.events.settings import Settings
from checkpoint.events.slices import Place
from checkpoint.events.transport import NoTables, Transport
from checkpoint.events.work import Observe, unobserved
from checkpoint.events.worker_settings import faust_settings

from .projector import Projector

GROUP = "projector"
AT_ONCE = 4
"""Slices worked on at a time: while Redis writes one, the next one is decoded and folded."""

log = logging.getLogger(__name__)


class ViewPositions:
    """Where reading starts: the positions that are stored with the views."""

    def __init__(self, projector: Projector) -> None:
        """Take who knows them."""
        self._projector = projector

    async def read(self, place: Place) -> EntryId:
        """Return the last entry id that a partition's views have."""
        return await self._projector.position(place[1])


def create_app(settings: Settings, observe: Observe = unobserved) -> faust.App:
    """Make the app that applies the log `settings.namespace` to its views."""
    app = faust.App(GROUP, TableManager=NoTables, **faust_settings(settings))
    redis = AsyncLines(settings.redis_url, settings.timeout)
    projector = Projector(redis, settings.namespace, observe)
    cast(Transport, app.transport).positions = ViewPositions(projector)

    outage = Outage(log)

    async def apply(slices: Any) -> None:
        async for event in slices.events():
            try:
                position = await projector.apply(event.value)
            except AWAY as error:
                await asyncio.sleep(outage.wait(error))
                position = ZERO
            else:
                outage.over()
            if position < event.value.last:
                cast(Consumer, app.consumer).reread(event.message.tp)

    topic = app.topic(settings.namespace, value_serializer="raw")
    app.agent(topic, name=GROUP, concurrency=AT_ONCE)(apply)
    return app


def __getattr__(name: str) -> faust.App:
    """Make `app` when Faust asks for it, from the environment's settings."""
    if name == "app":
        return create_app(Settings.from_env())
    raise AttributeError(name)
