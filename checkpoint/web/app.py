"""The page as an aiohttp application: its routes, and what they share."""

import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from aiohttp import web

from checkpoint.async_manager import AsyncCheckpointManager
from checkpoint.events.settings import Settings
from checkpoint.servers import AsyncServers

from . import changes, jobs, operations, stream
from .answers import answer, told
from .guards import of_known_host, secured
from .site import SITE, Site
from .tail import Tail

STATIC = Path(__file__).with_name("static")


def create_web(settings: Settings, *, allow_changes: bool = False) -> web.Application:
    """Make the page of a log, to be run by itself or added to another application.

    It may be mounted under any path that ends with a slash. With `allow_changes` whoever reaches
    it can delete and rewind jobs and discard dead letters; there is no login. Requests are
    answered if they name an address, `localhost` or `settings.web_host` as their host.
    """
    app = web.Application(middlewares=[of_known_host(settings.web_host), told])
    app.on_response_prepare.append(secured)
    servers = AsyncServers(settings)
    app[SITE] = Site(
        settings=settings,
        servers=servers,
        manager=AsyncCheckpointManager(replace(settings, spool=None)),
        tail=Tail(settings, servers),
        token=secrets.token_urlsafe() if allow_changes else "",
    )
    app[stream.STREAMS] = stream.Streams(stream.most_streams())
    app.add_routes([web.get("/", _page), web.get("/api/log", _log), web.static("/static", STATIC)])
    app.add_routes([*jobs.ROUTES, *operations.ROUTES, *stream.ROUTES, *changes.ROUTES])
    app.on_shutdown.append(_end_streams)
    app.cleanup_ctx.append(_connected)
    return app


async def _page(_: web.Request) -> web.FileResponse:
    return web.FileResponse(STATIC / "index.html")


async def _log(request: web.Request) -> web.Response:
    """Say which log the page shows; the token is what a request to change something needs."""
    site = request.app[SITE]
    return answer({"namespace": site.settings.namespace, "token": site.token})


async def _end_streams(app: web.Application) -> None:
    await app[SITE].tail.close()


async def _connected(app: web.Application) -> AsyncIterator[None]:
    yield
    site = app[SITE]
    await site.servers.close()
    await site.manager.close()
