"""The command line: `checkpoint …`."""

import click

from .commands.deadletters import deadletters
from .commands.jobs import delete, history, show
from .commands.running import health, up, worker
from .commands.upkeep import doctor, restore


@click.group()
@click.version_option(package_name="checkpoint-log")
def main() -> None:
    """Checkpoint and resume for pipelines.

    Servers are taken from REDIS_URL (or REDIS_HOST, REDIS_PORT, REDIS_DB) and POSTGRES_URL (or
    libpq's variables); without them, from a running `checkpoint up`.
    """


for command in (up, worker, health, show, history, delete, doctor, restore, deadletters):
    main.add_command(command)
