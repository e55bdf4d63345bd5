"""Shell completion: the script for a shell, and the names of jobs."""

from dataclasses import replace

import click
from click.shell_completion import CompletionItem, get_completion_class

from checkpoint.events.errors import CheckpointError
from checkpoint.events.freshness import Place
from checkpoint.events.settings import Settings
from checkpoint.events.steps import Steps

from .reporting import reported, run

SECONDS = 1.0
"""How long somebody who presses Tab waits for Redis."""
NAMES = 200


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
@reported
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for a shell.

    \b
    bash: echo 'eval "$(checkpoint completion bash)"' >> ~/.bashrc
    zsh:  echo 'eval "$(checkpoint completion zsh)"' >> ~/.zshrc
    fish: checkpoint completion fish > ~/.config/fish/completions/checkpoint.fish
    """  # noqa: D301 - the backspace keeps click from wrapping the lines
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click has the three that can be chosen
    root = ctx.find_root()
    click.echo(kind(root.command, {}, "checkpoint", "_CHECKPOINT_COMPLETE").source())


def complete_job(
    ctx: click.Context,  # noqa: ARG001 - click's signature
    param: click.Parameter,  # noqa: ARG001 - click's signature
    incomplete: str,
) -> list[CompletionItem]:
    """Return the latest jobs whose names begin so; none where Redis does not tell in time."""
    try:
        # the archive is not waited for
        settings = replace(Settings.from_env(), postgres_url=None, timeout=SECONDS)
        names = run(settings, _latest(settings.namespace))
    except CheckpointError:
        return []
    return [CompletionItem(job, help=status) for job, status in names if job.startswith(incomplete)]


def _latest(namespace: str) -> Steps[list[tuple[str, str]]]:
    from checkpoint.query.listing.jobs import list_jobs  # noqa: PLC0415 - for who presses Tab
    from checkpoint.query.listing.place import find_place  # noqa: PLC0415 - same

    place: Place = yield from find_place(namespace, has_archive=False)
    page = yield from list_jobs(place, limit=NAMES)
    return [(job["job_id"], job["status"]) for job in page.jobs]
