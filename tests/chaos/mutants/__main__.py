"""Show that every law can fail: for each a broken product is run, and must be caught.

    cd tests && python -m chaos.mutants [--only WORD] [--keep FOLDER]

Each schedule is run with the product as it is, too: a law that reports that proves nothing. Exits
with 1 if a mutant was not caught, or a law has none.
"""

import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click
from chaos.faults.schedule import Fault
from chaos.laws.judge import LAWS
from chaos.runs.run import Run, run

from .catalogue import MUTANTS, Mutant, schedule_of, seconds_of
from .servers import SERVERS

RECOVERY_SECONDS = 15.0


def _silent(_: str) -> None:
    """Tell nobody."""


def _run(faults: Sequence[Fault], mutant: str, keep: Path | None) -> Run:
    seconds, schedule = seconds_of(faults), schedule_of(faults)
    return run(
        seconds,
        schedule.seed,
        _silent,
        keep,
        schedule=schedule,
        mutant=mutant,
        prepare=SERVERS.get(mutant),
        recovery=RECOVERY_SECONDS,
    )


def _laws_broken(outcome: Run) -> dict[str, str]:
    return {one.law: one.evidence for one in reversed(outcome.judgement.violations)}


@click.command()
@click.option("--only", default="", help="Only mutants whose law or name has this in it.")
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Keep logs here.")
def main(only: str, keep: Path | None) -> None:
    """Show that every law can fail."""
    logging.disable()  # only the table is wanted
    chosen = [one for one in MUTANTS if only in one.law or only in one.name]
    sound: dict[Sequence[Fault], dict[str, str]] = {}
    click.echo(f"{'law':<38}{'mutant':<28}result")
    missed = [one for one in chosen if not _is_caught(one, sound, keep, click.echo)]
    without = LAWS.keys() - {one.law for one in MUTANTS}
    for law in without:
        click.echo(f"{law:<38}{'none':<28}NOT SHOWN")
    click.echo(f"{len(chosen) - len(missed)} of {len(chosen)} mutants caught")
    sys.exit(bool(missed or without))


def _is_caught(
    mutant: Mutant,
    sound: dict[Sequence[Fault], dict[str, str]],
    keep: Path | None,
    tell: Callable[[str], None],
) -> bool:
    faults = tuple(mutant.faults)
    if faults not in sound:
        sound[faults] = _laws_broken(_run(faults, "", keep and keep / "sound"))
    found = _laws_broken(_run(faults, mutant.name, keep and keep / mutant.name))
    result = f"caught: {found[mutant.law][:100]}" if mutant.law in found else "NOT CAUGHT"
    if mutant.law in sound[faults]:
        result += f" (and without it: {sound[faults][mutant.law][:100]})"
    elif mutant.law not in found:
        result += f", but {', '.join(found) or 'nothing'}"
    tell(f"{mutant.law:<38}{mutant.name:<28}{result}")
    return mutant.law in found


main()
