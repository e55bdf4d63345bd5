"""The stream: news of the log for a page that is open, as server-sent events."""

import asyncio
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import msgspec
from aiohttp import web

from .answers import refusal
from .site import SITE
from .tail import Listener, Tail

HEARTBEAT_SECONDS = 10.0
"""A line at least so often: it finds out who has gone, and tells those who have not."""

RETRY_MS = 1000
MOST_STREAMS = 1000
RETRY_AFTER_SECONDS = 10


class Streams:
    """Counts the streams that are open, and lets no more be opened than the process can serve.

    A stream keeps its file descriptor for as long as its page is open. If streams had all
    descriptors, no other request could be accepted.
    """

    def __init__(self, most: int) -> None:
        """Let at most so many be open."""
        self._most = most
        self._open = 0

    @contextmanager
    def place(self) -> Iterator[bool]:
        """Yield whether one more may be open; it counts as open as long as the block runs."""
        is_free = self._open < self._most
        self._open += is_free
        try:
            yield is_free
        finally:
            self._open -= is_free


STREAMS = web.AppKey("streams", Streams)


def most_streams() -> int:
    """Return how many streams may be open: half of the file descriptors are for all else."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_STREAMS if most == resource.RLIM_INFINITY else min(MOST_STREAMS, most // 2)


async def events(request: web.Request) -> web.StreamResponse:
    """Send news until either side goes. A client that comes back begins with everything as news."""
    with request.app[STREAMS].place() as is_free:
        return await _stream(request) if is_free else _no_place()


def _no_place() -> web.Response:
    response = refusal(
        "As many pages follow the log as this server can serve: close some, or raise its limit of "
        "open files (ulimit -n). All other requests are answered",
        503,
    )
    response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    response.force_close()  # an idle connection would keep the descriptor
    return response


async def _stream(request: web.Request) -> web.StreamResponse:
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
