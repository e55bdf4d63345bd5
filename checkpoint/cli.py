"""The command line: `checkpoint …`."""

import click

from .commands.capsule import export_job, import_job
from .commands.completion import completion
from .commands.deadletters import deadletters
from .commands.job import diff, explain, history, show
from .commands.jobs import delete, jobs
from .commands.proof import digest, verify
from .commands.rebuild import rebuild
from .commands.replay import replay
from .commands.running import health, up, worker
from .commands.sections import Sections
from .commands.travel import fork, rewind
from .commands.upkeep import doctor, lag, migrate, restore
from .commands.watch import watch
from .commands.web import web


@click.group(
    cls=Sections,
    context_settings={"help_option_names": ["-h", "--help"]},
    options_metavar="",
    subcommand_metavar="COMMAND …",
)
@click.version_option(package_name="checkpoint-log")
def main() -> None:
    """Checkpoint and resume for pipelines.

    Servers are taken from REDIS_URL (or REDIS_HOST, REDIS_PORT, REDIS_DB) and POSTGRES_URL (or
    libpq's variables); without them, from a running `checkpoint up`. CHECKPOINT_NAMESPACE names
    the log.
    """


main.add_section("Look at jobs", jobs, show, watch, explain, history, diff, replay)
main.add_section("Change jobs", rewind, fork, delete)
main.add_section("Carry jobs elsewhere", export_job, import_job)
main.add_section("Prove what happened", verify, digest)
main.add_section("Run", up, worker, web)
main.add_section(
    "Look after the servers", doctor, health, lag, deadletters, rebuild, restore, migrate
)
main.add_section("Shell", completion)
