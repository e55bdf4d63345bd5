"""The command line: `checkpoint …`."""

import json
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from checkpoint.events.errors import CheckpointError
from checkpoint.events.settings import Settings

from .manager import CheckpointManager
from .servers import Servers

KIND = click.Choice(["projector", "snapshotter"])


def reported(function: Callable[..., Any]) -> Callable[..., Any]:
    """Turn this system's errors into a line on stderr and exit code 1."""

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except CheckpointError as error:
            raise click.ClickException(str(error)) from error

    return wrapper


@click.group()
@click.version_option(package_name="checkpoint-log")
def main() -> None:
    """Checkpoint and resume for pipelines.

    Servers are taken from REDIS_URL (or REDIS_HOST, REDIS_PORT, REDIS_DB) and POSTGRES_URL (or
    libpq's variables); without them, from a running `checkpoint up`.
    """


@main.command()
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the servers' data; kept between runs.",
)
@reported
def up(data: Path | None) -> None:
    """Run Redis, Postgres and both workers here, until Ctrl-C."""
    from .up import up as run_up  # noqa: PLC0415 - the servers are an extra

    run_up(data)


@main.command()
@click.argument("kind", type=KIND)
@click.option("--loglevel", default="warning", help="debug, info, warning or error.")
@reported
def worker(kind: str, loglevel: str) -> None:
    """Run a worker: the projector keeps the view, the snapshotter the archive."""
    from .worker import run_worker  # noqa: PLC0415 - Faust takes a second to import

    run_worker(kind, Settings.from_env(), loglevel)


@main.command()
@reported
def restore() -> None:
    """Bring a Redis that lost its log, or its last seconds, up to the archive."""
    from .restore import restore as steps  # noqa: PLC0415 - psycopg is for who needs it

    settings = Settings.from_env()
    servers = Servers(settings)
    try:
        restored = servers.run(steps(settings.namespace, click.echo))
    finally:
        servers.close()
    for one in restored:
        click.echo(
            f"partition {one.partition}: what was acknowledged as `log` after {one.archived.time} "
            "and is not in the archive is lost"
        )
    click.echo(f"{len(restored)} partitions restored" if restored else "Redis lacks nothing")


@main.command()
@click.argument("kind", type=KIND)
@reported
def health(kind: str) -> None:
    """Exit with 0 if a worker of that kind on this host had a heartbeat lately, else with 1."""
    from .worker import is_alive  # noqa: PLC0415 - Faust takes a second to import

    alive = is_alive(kind, Settings.from_env())
    click.echo(f"{kind}: {'alive' if alive else 'no heartbeat'}")
    sys.exit(not alive)


@main.command()
@click.argument("job")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@reported
def show(job: str, *, as_json: bool) -> None:
    """Show how far a job has come."""
    with CheckpointManager() as manager:
        progress = manager.get_job_progress(job)
    if as_json:
        click.echo(json.dumps(progress, default=str, indent=2))
        return
    click.echo(f"{job}: {progress['status']}, version {progress['version']}")
    for checkpoint in progress["checkpoints"]:
        click.echo(f"  done    {checkpoint['stage']}  at {checkpoint['completed_at']:%F %T} UTC")
    for failure in progress["failures"]:
        click.echo(
            f"  failed  {failure['stage']}  {failure['attempts']} times, last: "
            f"{failure['error']}: {failure['message']}"
        )


@main.command()
@click.argument("job")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@reported
def history(job: str, *, as_json: bool) -> None:
    """List every event of a job on record, oldest first."""
    with CheckpointManager() as manager:
        events = manager.get_job_history(job)
    if as_json:
        click.echo(json.dumps(events, default=str, indent=2))
        return
    for one in events:
        event = one["event"]
        what = event.get("stage") or event.get("owner") or ""
        click.echo(f"{one['at']:%F %T} UTC  v{one['version']:<4} {event['type']:16} {what}")


@main.command()
@click.argument("job")
@reported
def delete(job: str) -> None:
    """Forget a job's checkpoints; its id begins a new life."""
    with CheckpointManager() as manager:
        deleted = manager.delete_job_checkpoints(job)
    click.echo(f"{job}: deleted" if deleted else f"{job}: had no live checkpoints")
