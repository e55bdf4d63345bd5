"""Answers about operations: lag, live workers, dead letters, restorations."""

from collections.abc import Callable
from typing import Any

from aiohttp import web

from checkpoint.events.entry_id import utc
from checkpoint.events.errors import CheckpointError
from checkpoint.events.freshness import Place
from checkpoint.events.steps import AskArchive, Steps
from checkpoint.health import live_members
from checkpoint.query.lag import CONSUMERS, measure_lag

from .answers import answer
from .site import SITE, place_of

MOST_LETTERS = 100
"""Dead letters shown, the latest."""
MOST_RESTORATIONS = 100
"""Restorations shown, the latest."""


async def operations(request: web.Request) -> web.Response:
    """Describe how the system does; what cannot be found out says why."""
    site = request.app[SITE]
    place = await site.servers.run(place_of(site))
    parts: dict[str, Callable[[Place], Steps[Any]]] = {
        "lag": _lag,
        "workers": _workers,
        "dead_letters": _dead_letters,
        "restorations": _restorations,
    }
    return answer(
        {name: await site.servers.run(_told(find(place))) for name, find in parts.items()}
    )


def _told(steps: Steps[Any]) -> Steps[dict[str, Any]]:
    try:
        return {"found": (yield from steps), "error": ""}
    except CheckpointError as error:
        return {"found": None, "error": str(error)}


def _lag(place: Place) -> Steps[list[dict[str, Any]]]:
    measured = yield from measure_lag(place.namespace, place.partitions)
    return [
        {**one._asdict(), "position": str(one.position), "last": str(one.last)}
        for one in measured
        if place.has_archive or one.consumer != "snapshotter"
    ]


def _workers(place: Place) -> Steps[dict[str, list[str]]]:
    found = {}
    for kind in CONSUMERS:
        found[kind] = sorted((yield from live_members(place.namespace, kind)))
    return found


def _dead_letters(place: Place) -> Steps[dict[str, Any]]:
    from checkpoint.snapshotter import dead_letters  # noqa: PLC0415 - psycopg, for who needs it

    buried = (yield AskArchive(dead_letters.find)) if place.has_archive else []
    return {
        "count": len(buried),
        "letters": [
            {
                "name": f"{one.partition}:{one.letter.id}",
                "time": one.at,
                "reason": one.letter.reason,
                "fields": [repr(bytes(field))[2:-1] for field in one.letter.fields],
            }
            for one in reversed(buried[-MOST_LETTERS:])
        ],
    }


def _restorations(place: Place) -> Steps[list[dict[str, Any]]]:
    from checkpoint.snapshotter import restorations  # noqa: PLC0415 - psycopg, for who needs it

    found = (yield AskArchive(restorations.on_record)) if place.has_archive else []
    return [
        {
            "partition": one.partition,
            "time": one.at,
            "since": one.archived.time,
            "until": utc(one.resumed_ms),
            "jobs": one.jobs,
        }
        for one in reversed(found[-MOST_RESTORATIONS:])
    ]


ROUTES = [web.get("/api/operations", operations)]
