"""How the two workers' Faust apps are set up."""

import tempfile
from typing import Any

from .settings import Settings


def broker_url(settings: Settings) -> str:
    """Return the transport's URL for the log's Redis; a message is a slice of entries."""
    url = settings.redis_url.replace("://", "+streams://", 1)
    return f"{url}{'&' if '?' in url else '?'}slice={settings.slice_entries}"


def faust_settings(settings: Settings) -> dict[str, Any]:
    """Return the settings that both workers share; each is there for a reason."""
    return {
        "broker": broker_url(settings),
        # the log is created by whoever comes first, with its id, not by Faust
        "topic_allow_declare": False,
        # nobody is elected here, so no topic for it
        "topic_disable_leader": True,
        # a position moves with the output it belongs to; Faust's commit only publishes it
        "broker_commit_interval": 1.0,
        # slices in memory per partition: enough to overlap reading with applying
        "stream_buffer_maxsize": 4,
        # what a worker was doing is finished or skipped by its position: no need to wait long
        "stream_wait_empty": False,
        # Faust keeps a folder for tables, of which there are none
        "datadir": tempfile.gettempdir(),
        "store": "memory://",
        # Faust would listen on all interfaces
        "web_enabled": settings.web_port > 0,
        "web_bind": settings.web_host,
        "web_host": settings.web_host,
        "web_port": settings.web_port or 6066,
        "autodiscover": False,
        # a worker says `ready` on stdout, and logs on stderr
        "worker_redirect_stdouts": False,
    }
