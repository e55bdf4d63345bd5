"""Health: whether a worker on this host is alive."""

import socket
from contextlib import closing

from checkpoint.events.keys import members
from checkpoint.events.settings import Settings
from checkpoint.events.steps import Steps, command

from .servers import Servers


def is_alive(kind: str, settings: Settings) -> bool:
    """Say whether a worker of that kind on this host had a heartbeat lately."""
    with closing(Servers(settings)) as servers:
        live = servers.run(live_members(settings.namespace, kind))
    return any(member.startswith(f"{socket.gethostname()}:") for member in live)


def live_members(namespace: str, kind: str) -> Steps[list[str]]:
    """Return the workers of a kind that had a heartbeat lately, as `host:pid:number`."""
    seconds, _ = yield from command("TIME")
    live = yield from command(
        "ZRANGEBYSCORE", members(namespace, kind), int(seconds) * 1000, "+inf"
    )
    return [member.decode() for member in live]
