"""The stream: news of the log for a page that is open, as server-sent events."""

import asyncio
from contextlib import suppress

import msgspec
from aiohttp import web

from .site import SITE
from .tail import Listener, Tail

HEARTBEAT_SECONDS = 10.0
"""A line at least so often: it finds out who has gone, and tells those who have not."""

RETRY_MS = 1000


async def events(request: web.Request) -> web.StreamResponse:
    """Send news until either side goes. A client that comes back begins with everything as news."""
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
    )
    await response.prepare(request)
    with suppress(ConnectionResetError):
        await _send(request.app[SITE].tail, response)
    return response


async def _send(tail: Tail, response: web.StreamResponse) -> None:
    async with tail.listen() as listener:
        await response.write(b"retry: %d\n\n" % RETRY_MS)
        while (line := await _line(listener)) is not None:
            await response.write(line)


async def _line(listener: Listener) -> bytes | None:
    """Return what to send next; None at the end."""
    try:
        news = await asyncio.wait_for(listener.news(), HEARTBEAT_SECONDS)
    except TimeoutError:
        return b": still here\n\n"
    if news is None:
        return None
    return b"data: " + msgspec.json.encode(news._asdict()) + b"\n\n"


ROUTES = [web.get("/api/events", events)]
