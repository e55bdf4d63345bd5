"""Starts a module as `python -m` does, of a product in which one thing may be broken.

    python -m chaos.mutants.launch MODULE [ARGUMENT …]

The variable CHAOS_MUTANT names what: see `catalogue`. Nothing else reads it.
"""

import os
import runpy
import sys

from .parts import PARTS

MUTANT = "CHAOS_MUTANT"


def launch(module: str, *arguments: str) -> None:
    """Break what is to be broken, and run the module."""
    mutant = os.environ.get(MUTANT, "")
    if mutant in PARTS:  # before anything of the product is imported
        PARTS[mutant]()
    elif mutant:
        from .managers import MANAGERS  # noqa: PLC0415 - it imports the product

        if mutant in MANAGERS:
            MANAGERS[mutant]()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    launch(*sys.argv[1:])
