"""Guards: what keeps other pages in the same browser from using this one."""

import hmac
from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware

from .answers import Handler, refusal
from .site import SITE

TOKEN = "X-Checkpoint-Token"  # noqa: S105 - a header's name

CONTENT_SECURITY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
)
HEADERS = {
    "Content-Security-Policy": "; ".join(CONTENT_SECURITY),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


async def secured(request: web.Request, response: web.StreamResponse) -> None:
    """Put the headers on every response, a stream's too."""
    response.headers.update(HEADERS)
    # what the log says is not for a cache; the page's own files are asked for anew each time
    is_api = "/api/" in request.path
    response.headers.setdefault("Cache-Control", "no-store" if is_api else "no-cache")


def of_known_host(own: str) -> Middleware:
    """Make the middleware that refuses requests whose Host is a name that is not ours.

    A page whose name was made to resolve to this address (DNS rebinding) is of the same origin to
    a browser, but its requests name it as their host.
    """

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if is_known(request.host, own):
            return await handler(request)
        return refusal(
            f"The host {request.host!r} is not known here: open the page by its address, or start "
            "it with --host and that name",
            403,
        )

    return guard


def is_known(host: str, own: str) -> bool:
    """Say whether a request's Host is an address, `localhost` or our `own` name."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name in {"localhost", own.lower()} or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def check_change(request: web.Request) -> None:
    """Raise HTTPForbidden unless this page itself, allowed to change things, sent the request."""
    token = request.app[SITE].token
    if not token:
        raise web.HTTPForbidden(
            text="The page is read-only: start it with --allow-changes to change jobs"
        )
    origin = urlsplit(request.headers.get("Origin", "")).netloc
    given = request.headers.get(TOKEN, "")
    if origin != request.host or not hmac.compare_digest(given.encode(), token.encode()):
        raise web.HTTPForbidden(
            text="The request does not come from this page as it is now: load it again"
        )
