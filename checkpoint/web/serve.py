"""Serving the page by itself, in the foreground."""

import asyncio
import os
import signal
from collections.abc import Callable

from aiohttp import web

from checkpoint.events.errors import ServerStartError
from checkpoint.events.settings import Settings

from .app import create_web

SHUTDOWN_SECONDS = 2.0
"""What an answer under way may still take when the page is stopped."""
KEEP_ALIVE_SECONDS = 30.0
"""How long an idle connection is kept, with its file descriptor; aiohttp's own is an hour."""


def serve(settings: Settings, *, allow_changes: bool, say: Callable[[str], None]) -> None:
    """Serve the page on `settings.web_host` and `web_port` until SIGINT or SIGTERM.

    Port 0 takes any that is free; `say` hears the URL. Raises ServerStartError where the address
    cannot be had.
    """
    asyncio.run(_serve(settings, allow_changes=allow_changes, say=say))


async def _serve(settings: Settings, *, allow_changes: bool, say: Callable[[str], None]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    app = create_web(settings, allow_changes=allow_changes)
    runner = web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=SHUTDOWN_SECONDS,
        keepalive_timeout=KEEP_ALIVE_SECONDS,
    )
    await runner.setup()
    try:
        await _listen(runner, settings)
        say(f"page: {_url(settings.web_host, runner.addresses[0][1])}")
        await stop.wait()
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, settings: Settings) -> None:
    try:
        await web.TCPSite(runner, settings.web_host, settings.web_port).start()
    except OSError as error:
        raise ServerStartError(
            f"The page cannot listen on {settings.web_host}, port {settings.web_port}: "
            f"{_why(error)}. Name another --host or --port; port 0 takes any that is free"
        ) from error


def _why(error: OSError) -> str:
    """Say what is wrong: asyncio's own words for it say the address again."""
    number = error.errno or 0
    return os.strerror(number) if number > 0 else str(error.strerror)


def _url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"
