"""The snapshotter as a Faust app: `faust -A checkpoint.snapshotter.app worker`."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, cast

import faust

from checkpoint.events.consumer import Consumer
from checkpoint.events.crash_point import crash_point
from checkpoint.events.entry_id import EntryId
from checkpoint.events.errors import ArchiveNotConfigured
from checkpoint.events.lines import Lines
from checkpoint.events.outage import AWAY
from checkpoint.events.settings import Settings
from checkpoint.events.slices import Place
from checkpoint.events.transport import NoTables, Transport
from checkpoint.events.work import Observe, unobserved
from checkpoint.events.worker_settings import faust_settings

from .archive import Archive
from .snapshotter import Snapshotter

GROUP = "snapshotter"
MOST_PENDING = 24
"""Slices that wait for the archive at a time."""
TRIM_SECONDS = 10.0
PIPELINES_SECONDS = 2.0


class ArchivePositions:
    """Where reading starts: the positions that are stored with the archive's rows."""

    def __init__(self, snapshotter: Snapshotter) -> None:
        """Take who knows them."""
        self._snapshotter = snapshotter

    async def read(self, place: Place) -> EntryId:
        """Return the last entry id that the archive has of a partition."""
        return await asyncio.to_thread(self._snapshotter.position, place[1])


def create_app(settings: Settings, observe: Observe = unobserved) -> faust.App:
    """Make the app that copies the log `settings.namespace` to the archive.

    ArchiveNotConfigured where the settings name no Postgres.
    """
    if settings.postgres_url is None:
        raise ArchiveNotConfigured
    app = faust.App(GROUP, TableManager=NoTables, **faust_settings(settings))
    archive = Archive(settings.postgres_url, settings.namespace)
    redis = Lines(settings.redis_url, settings.timeout)
    margin_ms = int(settings.log_margin * 1000)
    snapshotter = Snapshotter(redis, archive, settings.namespace, margin_ms, observe)
    cast(Transport, app.transport).positions = ArchivePositions(snapshotter)

    room = asyncio.Semaphore(MOST_PENDING)

    async def hand_in(slices: Any) -> None:
        tell: Callable[..., object] = asyncio.get_running_loop().call_soon_threadsafe
        async for event in slices.noack().events():
            await room.acquire()
            snapshotter.put(event.value, partial(tell, settle, event))

    def settle(event: Any, stored: bool) -> None:  # noqa: FBT001 - an answer, not an option
        room.release()
        if stored:
            event.ack()
        else:
            cast(Consumer, app.consumer).reread(event.message.tp)

    async def store() -> None:
        try:
            await asyncio.to_thread(snapshotter.run)
        finally:
            snapshotter.stop()

    async def trim() -> None:
        crash_point("log: before the trim")
        with suppress(*AWAY):  # the next time will do
            numbers = [tp.partition for tp in app.consumer.assignment()]
            await asyncio.to_thread(snapshotter.trim, numbers)
        crash_point("log: after the trim")

    async def keep_pipelines() -> None:
        with suppress(*AWAY):  # the next time will do
            await asyncio.to_thread(snapshotter.keep_pipelines)

    topic = app.topic(settings.namespace, value_serializer="raw")
    app.agent(topic, name=GROUP)(hand_in)
    app.task(store)
    app.timer(TRIM_SECONDS)(trim)
    app.timer(PIPELINES_SECONDS)(keep_pipelines)
    return app


def __getattr__(name: str) -> faust.App:
    """Make `app` when Faust asks for it, from the environment's settings."""
    if name == "app":
        return create_app(Settings.from_env())
    raise AttributeError(name)
