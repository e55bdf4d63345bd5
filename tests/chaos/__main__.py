"""Hurt the system for some minutes, and say what broke.

    cd tests && python -m chaos --minutes 10 --seed 7

Exits with 1 if anything did.
"""

import logging
import secrets
import sys
from pathlib import Path

import click

from .faults.schedule import LENGTHS
from .runs.report import report
from .runs.run import run


@click.command()
@click.option("--minutes", type=click.FloatRange(0.1), default=10.0, help="How long.")
@click.option("--seed", type=int, help="The same seed gives the same schedule.")
@click.option("--without", multiple=True, type=click.Choice(sorted(LENGTHS)), help="Leave out.")
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Keep logs here.")
def main(minutes: float, seed: int | None, without: tuple[str, ...], keep: Path | None) -> None:
    """Hurt the system and say what broke."""
    logging.disable()  # what the probe's manager says is in the report
    chosen = secrets.randbelow(10**6) if seed is None else seed
    outcome = run(60 * minutes, chosen, click.echo, keep, without=frozenset(without))
    click.echo(report(outcome))
    sys.exit(bool(outcome.judgement.violations))


main()
