"""Changes that the page can make where it was started with leave to: delete, rewind, discard."""

from typing import Any

import msgspec
from aiohttp import web

from checkpoint.events.steps import AskArchive, Steps

from .answers import answer
from .guards import check_change
from .site import SITE

LONGEST_NAME = 60
"""Characters of what is no dead letter's name that are repeated in the answer."""


class JobWanted(msgspec.Struct, forbid_unknown_fields=True):
    """The job that a request is about."""

    id: str


class StageWanted(msgspec.Struct, forbid_unknown_fields=True):
    """The stage that a request is about."""

    id: str
    stage: str


class LetterWanted(msgspec.Struct, forbid_unknown_fields=True):
    """The dead letter that a request is about, PARTITION:MS-SEQ."""

    name: str


async def delete(request: web.Request) -> web.Response:
    """Delete a job's checkpoints."""
    wanted = await _read(request, JobWanted)
    deleted = await request.app[SITE].manager.delete_job_checkpoints(wanted.id)
    return answer({"deleted": deleted})


async def rewind(request: web.Request) -> web.Response:
    """Rewind a job: a stage and all after it are to be done again."""
    wanted = await _read(request, StageWanted)
    await request.app[SITE].manager.rewind(wanted.id, wanted.stage)
    return answer({"rewound_to": wanted.stage})


async def discard(request: web.Request) -> web.Response:
    """Discard a dead letter."""
    wanted = await _read(request, LetterWanted)
    await request.app[SITE].servers.run(_discard(wanted.name))
    return answer({"discarded": wanted.name})


async def _read(request: web.Request, kind: type[Any]) -> Any:
    """Read what a request wants, once it may want anything at all."""
    check_change(request)
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except msgspec.DecodeError as error:
        raise web.HTTPBadRequest(text=f"The request's body cannot be read: {error}") from error


def _discard(name: str) -> Steps[None]:
    from checkpoint.snapshotter import dead_letters  # noqa: PLC0415 - psycopg, for who needs it

    try:
        only = dead_letters.parse_name(name)
    except ValueError:
        text = f"{name[:LONGEST_NAME]!r} is not the name of a dead letter, PARTITION:MS-SEQ"
        raise web.HTTPBadRequest(text=text) from None
    found = yield AskArchive(lambda archive: dead_letters.find(archive, only))
    if not found:
        raise web.HTTPNotFound(text=f"There is no dead letter {name}")
    yield AskArchive(lambda archive: dead_letters.discard(archive, found[0]))


ROUTES = [
    web.post("/api/job/delete", delete),
    web.post("/api/job/rewind", rewind),
    web.post("/api/deadletters/discard", discard),
]
