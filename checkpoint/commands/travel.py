"""Commands that take jobs back to an earlier stage, or begin others there: rewind, fork."""

import click

from checkpoint.core import Core
from checkpoint.events.steps import Steps
from checkpoint.travel import fork as fork_steps
from checkpoint.travel import rewind as rewind_steps
from checkpoint.travel import to_fork, to_rewind

from .bulk import Plan, Targets, acting, holder_of
from .completion import complete_job
from .reporting import reported


@click.command()
@click.argument("names", nargs=-1, metavar="JOB STAGE | --all STAGE", shell_complete=complete_job)
@click.option("--stages", help="The pipeline's stages in order, as a,b,c, if it declares none.")
@acting
@reported
def rewind(targets: Targets, stages: str | None) -> None:
    """Let STAGE and all stages after it be done again; the history keeps what was done."""
    jobs, (stage,) = targets.split("JOB STAGE, or --all STAGE", 1)
    order = stages.split(",") if stages else ()

    def plan(core: Core, job: str) -> Steps[Plan]:
        state, again = yield from to_rewind(core, job, stage, order)
        if not again:
            return Plan(f"nothing from {stage} on was tried yet", None)
        if targets.dry_run and (holder := (yield from holder_of(core, job))):
            return Plan(f"claimed by {holder}: it would be refused", None)
        return Plan(
            f"to be done again: {', '.join(again)}",
            lambda: rewind_steps(core, job, stage, order=order, version=state.version),
        )

    targets.act(jobs, plan)


@click.command()
@click.argument("names", nargs=-1, metavar="JOB NEW | --all", shell_complete=complete_job)
@click.option("--at", help="The last stage whose checkpoint the new job begins with.")
@click.option("--suffix", help="With --all, what a job's name gets for the new one's, as -retry.")
@acting
@reported
def fork(targets: Targets, at: str | None, suffix: str | None) -> None:
    """Begin the job NEW with the checkpoints of JOB, which stays as it is."""
    if targets.in_bulk != bool(suffix):
        raise click.UsageError("--all and --suffix go together")
    jobs, names = targets.split("JOB NEW, or --all --suffix TEXT", 0 if targets.in_bulk else 1)

    def plan(core: Core, job: str) -> Steps[Plan]:
        new = f"{job}{suffix}" if suffix else names[0]
        state, stages = yield from to_fork(core, job, at, new)
        return Plan(
            f"{new} begins with {', '.join(stages) or 'no checkpoint'}",
            lambda: fork_steps(core, job, new, at, version=state.version),
        )

    targets.act(jobs, plan)
