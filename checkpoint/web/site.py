"""What the page's handlers share: the log's address, the connections, who follows the log."""

from dataclasses import dataclass

from aiohttp import web

from checkpoint.async_manager import AsyncCheckpointManager
from checkpoint.events.freshness import Place
from checkpoint.events.settings import Settings
from checkpoint.events.steps import Steps
from checkpoint.query.listing.place import find_place
from checkpoint.servers import AsyncServers

from .tail import Tail


@dataclass(frozen=True)
class Site:
    """One page: of which log, and through which connections."""

    settings: Settings
    servers: AsyncServers
    manager: AsyncCheckpointManager
    tail: Tail
    token: str
    """What a request must carry to change something; "" where nothing may be changed."""


SITE = web.AppKey("site", Site)


def place_of(site: Site) -> Steps[Place]:
    """Say where the page's log is; LogNotReady where there is none."""
    settings = site.settings
    has_archive = settings.postgres_url is not None
    return find_place(settings.namespace, has_archive=has_archive)
