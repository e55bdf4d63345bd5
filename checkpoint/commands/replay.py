"""The command that replays: one job as it was, or every event of all jobs."""

import json
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from checkpoint.events.entry_id import EntryId, utc
from checkpoint.events.errors import LogUnavailable
from checkpoint.events.freshness import Place
from checkpoint.events.settings import Settings
from checkpoint.query.listing.place import find_place
from checkpoint.query.pipeline import Pipeline, archived_pipelines, declared
from checkpoint.query.undisturbed import undisturbed
from checkpoint.servers import Servers

from .moment import Moment
from .output import in_place_of
from .progress import metered
from .reporting import as_json, look, reported
from .terminal import note, say_json
from .words import failure_of, plain, times, when

if TYPE_CHECKING:
    from checkpoint.events.entry import Entry
    from checkpoint.query.history.audit import AuditRow, Span
    from checkpoint.query.history.past import Moment as PastMoment
    from checkpoint.query.history.stream import Extent

SHOWN_DATA = 200


class IncarnationName(click.ParamType):
    """The entry id of an incarnation's first event, as `history` has it."""

    name = "ms-seq"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> EntryId:
        """Read an entry id."""
        try:
            return value if isinstance(value, EntryId) else EntryId.parse(value)
        except ValueError:
            self.fail(f"{value!r} is no entry id, such as 1700000000000-0", param, ctx)


@click.command()
@click.argument("job", required=False)
@click.option("--at", "at_ms", type=Moment(), help="JOB as it was then.")
@click.option("--version", type=click.IntRange(min=1), help="JOB after this event.")
@click.option("--incarnation", type=IncarnationName(), help="JOB in this life, by its first event.")
@click.option("--capsule", type=click.File("rb"), help="The job in a capsule; no server is asked.")
@as_json
@click.option("--since", "since_ms", type=Moment(), help="All jobs' events from a time on.")
@click.option("--until", "until_ms", type=Moment(), help="All jobs' events before a time.")
@click.option("--pipeline", help="Events of the jobs of this pipeline.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write events to this file: .jsonl or .parquet; by default (or -) JSON Lines to stdout.",
)
@reported
def replay(
    job: str | None,
    *,
    at_ms: int | None,
    version: int | None,
    incarnation: EntryId | None,
    capsule: BinaryIO | None,
    since_ms: int | None,
    until_ms: int | None,
    pipeline: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Show JOB as it was, or without JOB stream every event with what its job was after it.

    A time is ISO 8601 (2026-01-31T12:00:00, in UTC unless it says otherwise), or how long ago: 10m,
    2h, 3d. A stream is in the order of the log: what the
    archive has, and then the rest.
    """
    from checkpoint.query.history.audit import Span  # noqa: PLC0415 - `--help` is fast
    from checkpoint.query.history.past import Moment as PastMoment  # noqa: PLC0415 - likewise

    if at_ms is not None and version is not None:
        raise click.UsageError("--at and --version are two ways to say the same: give one")
    if since_ms is not None and until_ms is not None and since_ms >= until_ms:
        raise click.UsageError("--since is not before --until: no event is in between")
    of_one = {"--at": at_ms, "--version": version, "--incarnation": incarnation}
    of_all = {"--since": since_ms, "--until": until_ms, "--pipeline": pipeline, "--out": out}
    if job is not None or capsule is not None:
        _refuse("an option of the stream of all jobs, and a job is named", of_all)
        moment = PastMoment(at_ms, version, incarnation)
        past, missing = _in_capsule(job, capsule, moment) if capsule else _on_record(job, moment)
        _tell(past, missing, as_json=as_json)
        return
    _refuse("of one job: name it", {**of_one, "--json": as_json or None})
    _stream(Span(since_ms or 0, pipeline), until_ms, out)


def _refuse(why: str, options: dict[str, Any]) -> None:
    for name, value in options.items():
        if value is not None:
            raise click.UsageError(f"{name} is {why}")


def _on_record(job: str | None, moment: "PastMoment") -> tuple[dict[str, Any], str]:
    from checkpoint.query.history.past import read_past  # noqa: PLC0415 - as above

    return look(lambda place: read_past(place, job or "", moment))


def _in_capsule(
    job: str | None, file: BinaryIO, moment: "PastMoment"
) -> tuple[dict[str, Any], str]:
    from checkpoint.query.capsule import read_capsule  # noqa: PLC0415 - as above
    from checkpoint.query.history.past import job_past, state_at  # noqa: PLC0415 - as above

    capsule = read_capsule(file.read())
    if job not in (None, capsule.job):
        raise click.UsageError(f"The capsule is of the job {plain(capsule.job)!r}")
    exported_ms = round(capsule.header.exported_at.timestamp() * 1000)
    past = state_at(capsule.entries, moment, exported_ms)
    return job_past(capsule.job, past, {capsule.pipeline.name: capsule.pipeline}), ""


def _tell(past: dict[str, Any], missing: str, *, as_json: bool) -> None:
    note(missing)
    if as_json:
        say_json({**past, "notes": missing.splitlines()})
        return
    for line in _lines(past):
        click.echo(plain(line))


def _lines(past: dict[str, Any]) -> Iterator[str]:
    life = f", version {past['version']} of incarnation {past['incarnation']}"
    yield f"{past['job_id']}: {past['status']}{life if past['version'] else ''}"
    yield f"  at {when(past['time'])}" + (f", held by {past['owner']}" if past["owner"] else "")
    tried = [stage for stage in past["stages"] if stage["time"]]
    for stage in tried:
        if stage["is_completed"]:
            yield f"  {stage['status']:<7} {stage['stage']}  at {when(stage['time'])}{_data(stage)}"
    for stage in tried:
        if stage["failures"]:
            failure = failure_of(stage["error"], stage["message"])
            count = times(stage["failures"], "time")
            yield f"  failed  {stage['stage']}  {count}, the last with {failure}"


def _data(stage: dict[str, Any]) -> str:
    if stage["status"] != "done":
        return ""
    data = json.dumps(stage["data"], ensure_ascii=False)
    return f"  {data if len(data) <= SHOWN_DATA else f'{data[:SHOWN_DATA]}…'}"


def _stream(span: "Span", until_ms: int | None, out: Path | None) -> None:
    from checkpoint.query.history.audit import audit  # noqa: PLC0415 - as above
    from checkpoint.query.history.recall import recaller  # noqa: PLC0415 - as above
    from checkpoint.query.history.stream import find_extent, stream  # noqa: PLC0415 - as above

    out = None if out == Path("-") else out
    if out is not None and out.suffix not in (".jsonl", ".parquet"):
        raise click.UsageError(f"--out {out}: the name ends in .jsonl or .parquet")
    settings = Settings.from_env()
    has_archive = settings.postgres_url is not None
    with undisturbed(), closing(Servers(settings)) as servers:
        place = servers.run(find_place(settings.namespace, has_archive=has_archive))
        pipelines, has_log = _pipelines(servers, place)
        extent = servers.run(find_extent(place, span.since_ms, until_ms, has_log=has_log))
        pages = stream(servers.run, place, extent, has_log=has_log)
        with closing(pages), _watched(pages, extent) as watched:
            recall = recaller(servers.run, place, has_log=has_log)
            _write(audit(watched, span, pipelines, recall), out)


def _pipelines(servers: Servers, place: Place) -> tuple[dict[str, Pipeline], bool]:
    """Return the pipelines on record, and whether the log is there."""
    try:
        return servers.run(declared(place.namespace)), True
    except LogUnavailable as error:
        if not place.has_archive:
            raise
        note(f"The archive alone is replayed. {error}")
        return servers.run(archived_pipelines()), False


@contextmanager
def _watched(pages: "Iterator[list[Entry]]", extent: "Extent") -> "Iterator[Iterator[list[Entry]]]":
    def watched() -> "Iterator[list[Entry]]":
        first, count = 0, 0
        for page in pages:
            first = first or page[0].id.ms
            count += len(page)
            meter.show(
                (page[-1].id.ms - first) / max(1, extent.before_ms - first),
                f"{count:,} events, up to {when(utc(page[-1].id.ms))}",
            )
            yield page

    with metered("replaying", 1.0) as meter:
        yield watched()


def _write(rows: "Iterator[list[AuditRow]]", out: Path | None) -> None:
    if out is None:
        _write_lines(click.get_binary_stream("stdout"), rows)
        return
    with in_place_of(out) as part:
        if out.suffix == ".parquet":
            from checkpoint.parquet import write_parquet  # noqa: PLC0415 - pyarrow is an extra

            count = write_parquet(part, rows)
        else:
            with part.open("wb") as file:
                count = _write_lines(file, rows)
    note(f"{times(count, 'event')} in {out}")


def _write_lines(file: BinaryIO, pages: "Iterable[list[AuditRow]]") -> int:
    from msgspec.json import Encoder  # noqa: PLC0415 - beside the others

    encoder = Encoder()
    count = 0
    for rows in pages:
        file.write(encoder.encode_lines(rows))
        count += len(rows)
    file.flush()
    return count
