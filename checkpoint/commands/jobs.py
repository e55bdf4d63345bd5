"""Commands about one job: show, history, delete."""

import json

import click

from checkpoint.manager import CheckpointManager

from .reporting import as_json, reported


@click.command()
@click.argument("job")
@as_json
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
            f"  failed  {failure['stage']}  attempts: {failure['attempts']}, the last: "
            f"{failure['error']}: {failure['message']}"
        )


@click.command()
@click.argument("job")
@as_json
@reported
def history(job: str, *, as_json: bool) -> None:
    """List every event of a job on record, oldest first."""
    with CheckpointManager() as manager:
        events = manager.get_job_history(job)
    if as_json:
        click.echo(json.dumps(events, default=str, indent=2))
        return
    if not events:
        click.echo(f"{job}: no events on record")
    for one in events:
        event = one["event"]
        kind = event["type"].partition(".")[0]
        what = event.get("stage") or event.get("owner") or ""
        why = f"  {event['error']}: {event['message']}" if event.get("error") else ""
        click.echo(f"{one['at']:%F %T} UTC  v{one['version']:<4} {kind:16} {what}{why}")


@click.command()
@click.argument("job")
@reported
def delete(job: str) -> None:
    """Forget a job's checkpoints; its id begins a new life."""
    with CheckpointManager() as manager:
        deleted = manager.delete_job_checkpoints(job)
    click.echo(f"{job}: deleted" if deleted else f"{job}: had no live checkpoints")
