"""Answers about jobs: the list, one job, its state at a version, a stage's data."""

from typing import Any

from aiohttp import web

from checkpoint.events.errors import LogUnavailable
from checkpoint.events.freshness import Place
from checkpoint.events.steps import Steps
from checkpoint.query.listing.jobs import STATUSES, JobFilter, JobPage, list_jobs
from checkpoint.query.pipeline import Pipeline, archived_pipelines, declared

from .answers import answer
from .job import data_of_version, data_text, described_job, state_at
from .sheet import JobSheet, Life, read_sheet
from .site import SITE, Site, place_of

MOST_JOBS = 100
DEFAULT_JOBS = 25
MOST_DIGITS = 20


async def jobs(request: web.Request) -> web.Response:
    """List jobs, newest first. Query: status (repeatable), name, pipeline, stage, before, limit."""
    site = request.app[SITE]
    wanted = JobFilter(
        statuses=frozenset(_statuses(request)),
        name=request.query.get("name") or None,
        pipeline=request.query.get("pipeline") or None,
        stage=request.query.get("stage") or None,
    )
    before = request.query.get("before") or None
    limit = _whole(request, "limit", 1, MOST_JOBS, DEFAULT_JOBS)
    return answer(await site.servers.run(_page(site, wanted, before, limit)))


def _page(site: Site, wanted: JobFilter, before: str | None, limit: int) -> Steps[dict[str, Any]]:
    place = yield from place_of(site)
    page: JobPage = yield from list_jobs(place, wanted, before=before, limit=limit)
    pipelines = yield from _pipelines(place)
    return {
        "jobs": page.jobs,
        "next": page.next,
        "note": page.note,
        "pipelines": {name: one.stages for name, one in sorted(pipelines.items())},
    }


def _pipelines(place: Place) -> Steps[dict[str, Pipeline]]:
    """Return the pipelines on record; the archive knows them too where Redis is away."""
    try:
        return (yield from declared(place.namespace))
    except LogUnavailable:
        return (yield from archived_pipelines()) if place.has_archive else {}


async def job(request: web.Request) -> web.Response:
    """Describe a job. Query: id; life, an incarnation of it, by default the last."""
    return answer(described_job(*await _sheet(request)))


async def state(request: web.Request) -> web.Response:
    """Describe a job's state at a version. Query: id, version; life."""
    sheet, life = await _sheet(request)
    version = _whole(request, "version", 1, max(1, life.state.version), life.state.version)
    return answer(state_at(sheet, life, version))


async def data(request: web.Request) -> web.Response:
    """Give the data of the stage that a version completed, whole. Query: id, version; life."""
    _, life = await _sheet(request)
    version = _whole(request, "version", 1, max(1, life.state.version), life.state.version)
    event = data_of_version(life, version)
    if event is None:
        raise web.HTTPNotFound(text=f"Version {version} completed no stage, as far as is known")
    return web.Response(
        text=data_text(event.data),
        content_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="version-{version}.json"'},
    )


async def _sheet(request: web.Request) -> tuple[JobSheet, Life]:
    site = request.app[SITE]
    sheet = await site.servers.run(read_sheet(site.settings, request.query.get("id", "")))
    life = sheet.life(request.query.get("life", ""))
    if life is None:
        job = request.query["id"]
        what = f"such life of job {job!r}" if sheet.lives else f"job {job!r}"
        raise web.HTTPNotFound(text=f"There is no {what} on record")
    return sheet, life


def _statuses(request: web.Request) -> list[str]:
    found = [status for status in request.query.getall("status", []) if status]
    if unknown := [status for status in found if status not in STATUSES]:
        raise web.HTTPBadRequest(text=f"status={unknown[0]!r}: it is one of {', '.join(STATUSES)}")
    return found


def _whole(request: web.Request, name: str, low: int, high: int, default: int) -> int:
    """Read a whole number from the query."""
    text = request.query.get(name) or str(default)
    # Python reads no number of more than some thousand digits
    if not text.isdecimal() or len(text) > MOST_DIGITS or not low <= int(text) <= high:
        raise web.HTTPBadRequest(
            text=f"{name}={text[:MOST_DIGITS]!r}: it is a whole number, {low} to {high}"
        )
    return int(text)


ROUTES = [
    web.get("/api/jobs", jobs),
    web.get("/api/job", job),
    web.get("/api/job/state", state),
    web.get("/api/job/data", data),
]
