"""The command that serves the web page."""

from dataclasses import replace

import click

from checkpoint.events.settings import Settings
from checkpoint.web import PORT

from .reporting import reported


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PORT,
    show_default=True,
    help="Port to listen on; 0: any that is free.",
)
@click.option(
    "--allow-changes",
    is_flag=True,
    help="Let whoever opens the page delete and rewind jobs and discard dead letters.",
)
@reported
def web(host: str, port: int, *, allow_changes: bool) -> None:
    """Serve a page to look at jobs, their timelines and the workers, until Ctrl-C.

    There is no login: whoever reaches the address sees everything.
    """
    from checkpoint.web.serve import serve  # noqa: PLC0415 - aiohttp, for who needs it

    settings = replace(Settings.from_env(), web_host=host, web_port=port)
    serve(settings, allow_changes=allow_changes, say=click.echo)
